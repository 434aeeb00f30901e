"""The words of a self-check, and the judgement on it: pure, from what was measured and the box's own baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from station.golden import TOLERANCE_YEARS

SCHEMA = 1
WORSE = 0.8
"""Below this share of the baseline a rate is worth a word."""
CROWDED, SLOWED = 0.2, 0.7
"""The share of the cores in others' use, and the share of the highest frequency, that explain something."""
BACK_S = 5
"""The clock is corrected by a little now and then."""
MODEL, SMALL, DECODE, COMMITS = "model", "model_small", "decode", "commits"
NAMES = {
    MODEL: "model, full batches",
    SMALL: "model, small batches",
    DECODE: "decoding",
    COMMITS: "commits",
}
_UNITS = {MODEL: "images/s", SMALL: "images/s", DECODE: "images/s", COMMITS: "commits/s"}
_OF_THE_BUNDLE = (MODEL, SMALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second: the median of some runs, the slowest and the fastest."""

    per_s: float
    slowest: float
    fastest: float
    runs: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What the figures depend on: where it changes, they are compared for the last time and begin anew."""

    bundle: str
    device: str
    driver: str | None
    libraries: Mapping[str, str]

    def changes(self, before: Identity) -> tuple[str, ...]:
        """What is not as it was, in words."""
        named = {"bundle": (self.bundle, before.bundle), "device": (self.device, before.device)}
        named["driver"] = (self.driver or "none", before.driver or "none")
        for name in sorted({*self.libraries, *before.libraries}):
            named[name] = (self.libraries.get(name, "none"), before.libraries.get(name, "none"))
        return tuple(f"{name} is {now}, was {was}" for name, (now, was) in named.items() if now != was)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of the box meanwhile; None: nobody can tell."""

    load_before: float | None = None
    others: float | None = None
    """The share of all cores that other programs used."""
    frequency: float | None = None
    """Of the cores, as a share of their highest."""
    throttled: int | None = None
    """How often they were slowed down by heat."""
    degrees: float | None = None
    """Of the hottest part, in Celsius."""
    card_users: tuple[str, ...] = ()
    """Other programs that compute on the card."""
    card_slowed: tuple[str, ...] = ()
    """Why its clocks are low."""

    @property
    def crowded(self) -> bool:
        """Whether others used enough to explain something."""
        return self.others is not None and self.others > CROWDED


@dataclass(frozen=True, slots=True)
class BoxClock:
    """The box's clock against what the ledger says."""

    newest_at: str | None
    """The newest moment that was written down."""
    behind_s: float | None
    """For how long, by this clock, that moment is still to come; 0: it has passed."""
    synchronised: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that a self-check found, before it is judged."""

    at: str
    station: str
    identity: Identity
    form: str
    """How the model is run."""
    rates: Mapping[str, Rate]
    golden_off_years: float | None
    """None: the bundle cannot be used."""
    failed: tuple[str, ...]
    """Why something could not be measured that the box must be able to do."""
    left_out: tuple[str, ...]
    """What was not measured for the sake of the running station."""
    beside: bool
    """Whether a station ran on the same database."""
    busy: bool
    """Whether that station worked meanwhile."""
    free_mb: Mapping[str, float]
    wanted_mb: float
    clock: BoxClock
    surroundings: Surroundings


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the same box did when it was well."""

    at: str
    identity: Identity
    rates: Mapping[str, Rate]
    form: str
    crowded: bool = False
    """Other programs used the box too: the next self-check that has it to itself takes its place."""
    beside: bool = False
    """Taken beside a station that stood idle: one of a box without it takes its place, and measures full batches."""


@dataclass(frozen=True, slots=True)
class Selfcheck:
    """What was measured, and what is to be thought of it.  Its fields are those of the JSON."""

    measured: Measured
    baseline_at: str | None
    shares: Mapping[str, float]
    """Of each rate, how much it is of the baseline's."""
    worse: tuple[str, ...]
    """The rates that are too low, and count."""
    wrong: tuple[str, ...]
    causes: tuple[str, ...]
    """What was measured and may be why."""
    remarks: tuple[str, ...]
    becomes_baseline: bool
    schema: int = SCHEMA
    ok: bool = field(default=True)

    def json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))


def baseline_of(text: str) -> Baseline:
    """From the JSON of the self-check that became one."""
    raw: dict[str, Any] = json.loads(text)["measured"]
    rates = {name: Rate(**rate) for name, rate in raw["rates"].items()}
    others = raw["surroundings"].get("others")
    crowded = Surroundings(others=others).crowded
    return Baseline(raw["at"], Identity(**raw["identity"]), rates, raw["form"], crowded, raw["beside"])


def shares(measured: Measured, baseline: Baseline | None) -> dict[str, float]:
    """The rates as shares of the baseline's; those of another bundle are not comparable."""
    if baseline is None:
        return {}
    same = measured.identity.bundle == baseline.identity.bundle
    return {
        name: rate.per_s / baseline.rates[name].per_s
        for name, rate in measured.rates.items()
        if name in baseline.rates and (same or name not in _OF_THE_BUNDLE)
    }


def judge(
    measured: Measured, baseline: Baseline | None, record_baseline: bool = False, settled: bool = False
) -> Selfcheck:
    """Beside a station that works, low rates are told and do not count: it is what makes them low.

    `settled`: beside one that has found its form and stands idle, the first figures become the baseline too.
    """
    found = shares(measured, baseline)
    low = tuple(name for name, share in found.items() if share < WORSE)
    wrong = tuple(_wrong(measured))
    why = _why_anew(measured, baseline, record_baseline)
    idle = not measured.beside or (settled and not measured.busy and not measured.left_out)
    becomes = bool(why) and not wrong and idle
    worse = () if record_baseline or (measured.beside and measured.busy) else low
    check = Selfcheck(
        measured, baseline.at if baseline else None, found, worse, wrong,
        causes=tuple(_causes(measured, baseline, low)) if low else (), remarks=(), becomes_baseline=becomes,
        ok=not worse and not wrong,
    )  # fmt: skip
    return replace(check, remarks=tuple(_remarks(check, why, low)))


def _why_anew(measured: Measured, baseline: Baseline | None, asked: bool) -> str:
    """Why later self-checks are to be compared with this one; empty: they are not."""
    if baseline is None:
        return "it is the first"
    if changes := measured.identity.changes(baseline.identity):
        return ", ".join(changes)
    if asked:
        return "as asked for"
    if baseline.crowded and not measured.surroundings.crowded:
        return "when the one before was taken, other programs used the box too"
    if baseline.beside and not measured.beside:
        return "the one before was taken beside a running station"
    return ""


def _wrong(measured: Measured) -> Iterator[str]:
    off = measured.golden_off_years
    if off is not None and not off <= TOLERANCE_YEARS:
        yield f"the golden outputs are off by {off:.3f} years, more than {TOLERANCE_YEARS}: copy the bundle afresh"
    yield from measured.failed


def _causes(measured: Measured, baseline: Baseline | None, low: tuple[str, ...]) -> Iterator[str]:
    around = measured.surroundings
    if measured.beside and measured.busy:
        yield "the station was at work meanwhile"
    elif around.others is not None and around.crowded:
        load = "" if around.load_before is None else f" (load {around.load_before:.1f} before)"
        yield f"other programs used {around.others:.0%} of the processor meanwhile{load}"
    if around.throttled:
        yield f"the processor was slowed down by heat {around.throttled} times: see to its fan and its place"
    if around.frequency is not None and around.frequency < SLOWED:
        warm = "" if around.degrees is None else f" (it has {around.degrees:.0f} degrees)"
        yield f"its cores ran at {around.frequency:.0%} of their highest frequency{warm}: heat, or saving power"
    if around.card_users:
        yield f"other programs compute on the card: {', '.join(around.card_users)}"
    if around.card_slowed:
        yield f"the card is slowed down by {' and '.join(around.card_slowed)}"
    if baseline and measured.form != baseline.form and set(low) & set(_OF_THE_BUNDLE):
        yield f"the model runs {measured.form}, was {baseline.form}"
    if baseline:  # of another bundle only what does not depend on it is compared
        yield from replace(measured.identity, bundle=baseline.identity.bundle).changes(baseline.identity)


def _remarks(check: Selfcheck, why: str, low: tuple[str, ...]) -> Iterator[str]:
    measured, around = check.measured, check.measured.surroundings
    if measured.beside and not check.becomes_baseline:
        yield "measured beside a running station: no figures for a baseline"
    yield from measured.left_out
    if low and not check.causes:
        yield "nothing that can be seen from here explains it"
    if check.becomes_baseline:
        yield f"recorded as the baseline of this box: {why}"
        if around.others is not None and around.crowded:
            yield (
                f"other programs used {around.others:.0%} of the processor meanwhile: the next self-check that has "
                "the box to itself becomes the baseline"
            )
    elif check.baseline_at is None:
        yield "there is no baseline yet: run it once while the station stands still"
    yield from _beware(measured)


def _beware(measured: Measured) -> Iterator[str]:
    for name, free in measured.free_mb.items():
        if free < measured.wanted_mb:
            yield f"{free:.0f} MB are free for the {name}, {measured.wanted_mb:.0f} are wanted: make room on its disk"
    clock = measured.clock
    if clock.behind_s is not None and clock.behind_s > BACK_S:
        yield (
            f"the clock says {measured.at}, but something was written down at {clock.newest_at}: it was set back by "
            f"{clock.behind_s:.0f} s or more, or was ahead then"
        )
    if clock.synchronised is False:
        yield "systemd has not set the clock since the start: has it a time server that it can reach?"


def lines(check: Selfcheck) -> Iterator[str]:
    """For the terminal."""
    measured = check.measured
    yield f"bundle     {measured.identity.bundle}, run {measured.form}"
    yield f"device     {measured.identity.device}"
    yield f"libraries  {', '.join(f'{name} {version}' for name, version in measured.identity.libraries.items())}"
    if measured.golden_off_years is not None:
        yield f"golden     off by {measured.golden_off_years:.4f} years at most; {TOLERANCE_YEARS} are allowed"
    yield ""
    for name, rate in measured.rates.items():
        share = f"{check.shares[name]:.0%} of the baseline" if name in check.shares else ""
        spread = f"({rate.slowest:,.0f} to {rate.fastest:,.0f})"
        yield f"  {NAMES[name]:<22}{rate.per_s:>9,.0f} {_UNITS[name]:<10}{spread:<22}{share}".rstrip()
    yield ""
    yield f"free       {', '.join(f'{free:,.0f} MB for the {name}' for name, free in measured.free_mb.items())}"
    yield f"baseline   {check.baseline_at or 'none before this'}"
    for name in check.worse:
        yield f"worse      {NAMES[name]}: {check.shares[name]:.0%} of the baseline, less than {WORSE:.0%}"
    yield from (f"wrong      {what}" for what in check.wrong)
    yield from (f"perhaps    {what}" for what in check.causes)
    yield from (f"note       {what}" for what in check.remarks)
    yield f"{'fine' if check.ok else 'not fine'}"


def listed(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Self-checks of before, one a line."""
    if not checks:
        yield "there was no self-check yet: `station selfcheck` makes one"
        return
    heads = ("at", "bundle", *NAMES.values(), "", "")
    yield _line(heads)
    for check in checks:
        measured = check["measured"]
        rates = (f"{measured['rates'][name]['per_s']:,.0f}" if name in measured["rates"] else "-" for name in NAMES)
        state = "fine" if check["ok"] else "; ".join([*(f"worse: {NAMES[w]}" for w in check["worse"]), *check["wrong"]])
        mark = "baseline" if check["baseline"] else "beside a running station" if measured["beside"] else ""
        yield _line((measured["at"][:19], measured["identity"]["bundle"], *rates, mark, state))


def _line(cells: Sequence[str]) -> str:
    at, bundle, *rates, mark, state = cells
    return f"{at:<20} {bundle:<28} {' '.join(f'{rate:>20}' for rate in rates)}  {mark:<25}{state}".rstrip()
