"""The model card of a bundle: what it is, what it may be used for, what it was fitted on, how good it is.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from station import species
from station.bundles import Card
from training.cautions import ALWAYS, cautions, doubt, scope
from training.faces import Faces
from training.judged import Judged
from training.report.wording import count, in_words, wording

NAME = "MODEL_CARD.md"
_PEOPLE = ("human", "humans", "homo_sapiens", "people")


def model_card(card: Card, known: Faces, judged: Judged, validated: str, findings: Sequence[str] = ()) -> str:
    """Markdown.  `known`: the faces it was fitted on; `judged`: what was said of those it had not seen.

    `validated`: in a sentence, how faces were split and who judged them.  `findings`: of the study, if there was one.
    """
    parts = [
        f"# {_plain(card.version)}",
        "\n".join(_what(card)),
        _section("Use", _use(card, known, judged)),
        _section("Fitted on", _data(card, known)),
        _section("How good it is", _figures(card, validated)),
        _section("What the study found", (f"- {_plain(finding)}" for finding in findings)) if findings else "",
        _section("How sure it is", _certainty(card)),
        _section("Limits", (f"- {_plain(limit)}" for limit in _limits(card, known, judged, findings))),
        _section("Made with", _made(card)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _limits(card: Card, known: Faces, judged: Judged, findings: Sequence[str]) -> tuple[str, ...]:
    """A study's findings tell of few animals and doubtful figures already."""
    return (*scope(known, card.metrics), *ALWAYS) if findings else cautions(known, judged, card.metrics)


def _section(title: str, lines: Iterator[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines)


def _animal(card: Card) -> str:
    known = species.find(card.species)
    return known.name if known else card.species.replace("_", " ")


def _what(card: Card) -> Iterator[str]:
    yield (
        f"Tells the age in years of {_animal(card)} faces from square crops of {card.input_px} pixels, as "
        f"probabilities over {len(card.bins_years)} ages from {card.bins_years[0]:g} to {card.bins_years[-1]:g} years. "
        f"Network: {_code(card.architecture)}; loss: {_plain(card.loss)}."
    )


def _use(card: Card, known: Faces, judged: Judged) -> Iterator[str]:
    animal = _animal(card)
    people = "it was fitted on people, as a public benchmark of the method, and the station is not for people"
    if why := people if card.species in _PEOPLE else doubt(judged, card.metrics):
        yield f"**For trying the method only:** {why}."
    else:
        yield (
            f"For the ages of one species ({animal}) in camera-trap and similar pictures, to be read with their "
            "intervals: the age structure of a population, the life stage of an animal, changes over the years."
        )
    yield ""
    yield "Not for:"
    yield ""
    yield "- **People.** Never, for whatever purpose, be the training faces people's or animals'."
    yield f"- Other species than the one it was fitted on ({animal}): it will answer all the same."
    yield "- Decisions about one animal on one picture, or proof of an age: ask the record of its birth, or a vet."
    low, high = known.ages_years.min(), known.ages_years.max()
    yield f"- Animals younger than {low:.3g} or older than {high:.3g} years, of which it has seen none."


def _data(card: Card, known: Faces) -> Iterator[str]:
    yield "| manifest | faces | individuals | SHA-256 |"
    yield "|---|---:|---:|---|"
    for data in card.training:
        yield f"| {_code(data.name)} | {data.faces:,} | {data.individuals:,} | `{_hex(data.sha256)}` |"
    used, animals = len(known.ages_years), len(set(known.individuals.tolist()))
    yield ""
    yield (
        f"Used: {count(used, 'face')} of {count(animals, 'individual')}; pictures that could not be read or were there "
        f"twice were left out. Crop margin: {card.crop_margin:.0%} of the box's longer side. The individuals are "
        "listed in the bundle's `card.json`; the model must not be judged on any of them."
    )


def _figures(card: Card, validated: str) -> Iterator[str]:
    yield _plain(validated)
    yield ""
    yield "| figure | value (95% interval over individuals) | meaning |"
    yield "|---|---|---|"
    for name, figure in card.metrics.items():
        if name == "interval_coverage" and "coverage_90_by_individual" in card.metrics:
            continue  # the same under its older name
        words = wording(name)
        yield f"| {_plain(words.label)} | {in_words(name, figure)} | {_plain(words.meaning)} |"


def _certainty(card: Card) -> Iterator[str]:
    yield (
        f"The temperature {card.temperature:.2f}, fitted on animals that the judged model had not seen, is inside the "
        "program."
    )
    if card.interval_quantile is None:
        yield "The 90% interval is unknown: too few animals to calibrate on. The station leaves it empty."
    else:
        yield (
            f"The 90% interval reaches {card.interval_quantile:.2f} standard deviations to each side, calibrated by "
            "individual (conformal)."
        )
    if card.tau_years is not None and card.sigma_years is not None:
        yield (
            f"Pictures of one animal share an error with a spread of {card.tau_years:.2f} years and differ by "
            f"{card.sigma_years:.2f} years from picture to picture: even any number of pictures leaves "
            f"{card.tau_years:.2f} years."
        )


def _made(card: Card) -> Iterator[str]:
    libraries = ", ".join(f"{_plain(name)} {_plain(version)}" for name, version in sorted(card.libraries.items()))
    yield f"{_plain(card.created_at)}; {libraries}. Bundle format {card.format}."


def _plain(text: str) -> str:
    """Text from outside as text: nothing in it is markup, nothing breaks a line or a table."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """A name set as code; a backtick or a bar in it would end that."""
    return "`" + " ".join(text.split()).replace("`", "'").replace("|", "\\|") + "`"


def _hex(digest: str) -> str:
    return digest if re.fullmatch(r"[0-9a-f]*", digest) else _plain(digest)
