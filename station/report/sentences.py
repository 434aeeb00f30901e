"""What the report says in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from station import changes
from station.census import SHOWN, Census
from station.confusion import Corrected
from station.report.wording import count, counted, day, listed, moment, short_day

SEXES = {"f": "female", "m": "male", "": "sex unknown", "unknown": "unknown"}


def title(of: Census) -> str:
    """Of the page and of the window."""
    return f"Age census, {day(of.on)}"


def window(of: Census) -> str:
    """`the 365 days to 30 June 2026`."""
    return f"the {of.window_days} days to {day(of.on)}"


def lead(of: Census) -> str:
    """The census in a sentence."""
    if not of.individuals:
        return f"No animal that could be told apart was seen in {window(of)}.{_where_to_look(of)}"
    were = "animal was" if of.total.likely == 1 else "animals were"
    stages = ", ".join(f"{line.stage} {counted(line.animals)}" for line in of.counts if line.animals.high)
    return f"{counted(of.total)} {were} seen in {window(of)}, not known to have died: {stages}."


def _where_to_look(of: Census) -> str:
    if of.ledger.newest is None:
        return " The database holds no picture with a believable time."
    if of.first_day <= of.ledger.newest <= of.on:
        return " There are pictures of that time: see below what could not be used."
    return (
        f" The newest picture is of {day(of.ledger.newest)}: `--date {of.ledger.newest}` takes the census of that day."
    )


def since(of: Census) -> Iterator[tuple[str, str]]:
    """What happened since the census before, as pairs of a word and a text."""
    seen = [one for one in of.individuals if one.seen_tonight]
    yield "seen that day", listed([one.label for one in seen]) or "none"
    new = [one.label for one in of.individuals if one.new]
    yield "new", listed(new) or "none"
    again = [one for one in of.individuals if one.again]
    returned = [f"{one.label} after {one.returned_after_days} days" for one in again if one.returned_after_days]
    back = f"; back after a long absence: {listed(returned)}" if returned else ""
    yield "seen again", (count(len(again), "animal") + back) if again else "none"
    overdue = [
        f"{one.label} (since {short_day(one.overdue_since)}; {one.allowed_days:.0f} days are usual at most)"
        for one in of.individuals
        if one.overdue_since and one.allowed_days
    ]
    yield "overdue", listed(overdue, 6) or "none, by their own rhythms"
    if of.since:
        moved = [f"{one.label} from {one.was} to {one.now} ({one.cause})" for one in of.transitions]
        yield "life stages", listed(moved, 8) or "none changed"
        yield "no longer counted", listed([f"{one.label} ({one.why})" for one in of.left], 6) or "none"


def since_what(of: Census) -> str:
    """The heading of that."""
    return f"Since the census of {day(of.since)}" if of.since else "The last day"


def told(of: Corrected) -> str:
    """What became of the correction for the model's confusion."""
    if of.refused:
        return f"A correction of the plain histogram for the model's confusion of life stages is refused: {of.refused}."
    return (
        "Corrected: the plain histogram (each animal by the mean of the model's estimates) without what the model "
        "takes for what among animals it was not fitted on. It is the rougher way: the counts come from birth dates."
    )


def notes(of: Census) -> Iterator[str]:
    """What can and cannot be concluded."""
    yield seen_only()
    yield (
        "Brackets hold the truth in nine of ten cases: they carry how unsure ages are, and whether animals that only "
        "the machine tells apart are one. An animal that was seen and is not known to have died is presumed alive."
    )
    machine = [one for one in of.individuals if one.provisional]
    if machine:
        sure = sum(one.confidence for one in machine) / len(machine)
        yield (
            f"{len(machine)} of {len(of.individuals)} listed animals are told apart by the machine alone, "
            f"{100 * sure:.0f}% sure of each; confirming them (`station faces review`) narrows every bracket."
        )
    yield from _list_and_counts(of)
    yield (
        "A trap night is a day on which a camera is taken to have worked: from its first to its last picture, without "
        "gaps longer than its own rhythm allows. Few detections at few nights are no sign of absence."
    )
    yield from _of_model(of)
    yield from _disagreement(of)
    if len(of.individuals) > SHOWN:
        yield f"Drawn are the {SHOWN} animals seen last of {len(of.individuals)}; the tables beside this page hold all."
    yield _known(of)


def _list_and_counts(of: Census) -> Iterator[str]:
    """Why the list, where nobody is half an adult, may add up to other numbers."""
    likeliest = Counter(one.stage for one in of.individuals)
    if any(likeliest[line.stage] != line.animals.likely for line in of.counts):
        yield (
            "The list calls each animal by its own likeliest life stage. The counts weigh every stage that each may "
            "be of, and all animals together, so they need not add up to the list."
        )


def _of_model(of: Census) -> Iterator[str]:
    if len(of.ledger.models) > 1:
        shares = ", ".join(f"{n:,} by {model}" for model, n in of.ledger.models.items())
        yield f"Ages were estimated by more than one model: {shares}."
    moved = [one.label for one in of.transitions if one.cause == changes.MODEL]
    if of.since and of.model_before != of.ledger.model:
        effect = f"it moved {listed(moved)} to another life stage" if moved else "no life stage changed for it"
        yield f"The model changed from {of.model_before or 'none'} to {of.ledger.model or 'none'}: {effect}."
    elif moved:
        yield f"The model {of.ledger.model} has looked at older pictures since: {listed(moved)} moved to another stage."
    elif of.ledger.model:
        yield f"Ages by the model {of.ledger.model}; {of.ledger.ages_by}."


def _disagreement(of: Census) -> Iterator[str]:
    """Two ways to the same numbers that cannot both be right."""
    low, high = of.histogram.low, of.histogram.high
    if low is None or high is None:
        return
    ends = zip(of.counts, low, high, strict=True)
    apart = [line.stage for line, a, b in ends if b < line.animals.low or a > line.animals.high]
    if apart:
        yield (
            f"Counts and corrected histogram contradict each other for {listed(apart)}: the model seems to err "
            "otherwise here than on the animals it was judged by; confirmed birth dates would tell."
        )


def _known(of: Census) -> str:
    known = of.ledger.known_until
    if of.ledger.as_known_then and known:
        return f"As it was known then, on {moment(known)}. Days are of the zone {of.ledger.zone}."
    until = f"; the newest entry is of {moment(known)}" if known else ""
    return f"As it is known now{until}. Days are of the zone {of.ledger.zone}."


def seen_only() -> str:
    """What a count is of."""
    return (
        "These are counts of animals seen, not of animals there are: whoever no camera saw, or nobody could tell from "
        "others, is missing. They say nothing of abundance or trend."
    )
