"""What a finder's bundle says to people, and what a person reads when one was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from station.bundles import Figure
from station.finder_card import FinderCard
from training.finder.judge import Judged

_WORDS = {
    "ap50": ("average precision, overlap 0.5", "1: every face found, surer than anything that is none"),
    "ap75": ("average precision, overlap 0.75", "the same where a box must fit closely"),
    "recall_at_0_1": ("faces found at one false face per ten empty frames", "by a threshold set on these very frames"),
    "recall": ("faces found", "at thresholds that other folds chose"),
    "precision": ("boxes that are faces", "at those thresholds"),
    "false_faces_per_empty": ("false faces in a frame without a face", "at those thresholds"),
}
_FEW_FACES = 200


def model_card(card: FinderCard, judged: Sequence[Judged]) -> str:
    """Markdown."""
    parts = [f"# {card.version}", "\n".join(_what(card))]
    sections = (("Use", _use(card)), ("Fitted on", _data(card)), ("How good it is", _figures(card, judged)))
    parts += [f"## {title}\n\n" + "\n".join(lines) for title, lines in (*sections, ("Limits", _limits(card, judged)))]
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(card.libraries.items()))
    parts.append(f"## Made with\n\n{card.created_at}; {libraries}. Bundle format {card.format}.")
    return "\n\n".join(parts) + "\n"


def _what(card: FinderCard) -> Iterator[str]:
    of = card.species.replace("_", " ") or "animal"
    yield (
        f"Finds {of} faces in whole frames, as boxes with a score. Network: {card.architecture}. It looks at the "
        f"whole frame in {card.input_px} x {card.input_px} pixels, and at tiles where a face of "
        f"{card.least_face_share:.0%} of the frame's width would be less than {card.views.least_face_px:g} pixels "
        f"wide; from a score of {card.threshold:.2f} on a box is a face."
    )
    if card.gate:
        yield (
            f"A gate asks of each found face what it is ({card.gate.what}): below {card.gate.least:.3f} it is of "
            "something else."
        )


def _use(card: FinderCard) -> Iterator[str]:
    yield "- For: cutting faces out of camera-trap frames for an age model (`[faces] finder`, `station faces preview`)."
    yield "- Not for: counting animals (an animal that looks away has no face), other species, finding people."
    yield "- A frame with people falls under the privacy rule of the configuration, whatever is found in it."


def _data(card: FinderCard) -> Iterator[str]:
    yield "| frames from | frames | faces | SHA-256 |"
    yield "|---|---:|---:|---|"
    for data in card.training:
        yield f"| `{Path(data.name).name}` | {data.frames:,} | {data.faces:,} | `{data.sha256 or 'a folder'}` |"
    yield ""
    yield (
        "They were shown nearer and farther, turned, on other ground, behind leaves, in little light, by infrared "
        "flash, blurred, noisy, as small files and with time bars."
    )


def _figures(card: FinderCard, judged: Sequence[Judged]) -> Iterator[str]:
    faces = sum(len(one.truth) for one in judged)
    empty = sum(one.empty for one in judged)
    yield (
        f"Cross-validated: each of {len(judged):,} frames ({faces:,} faces; {empty:,} frames without one) was judged "
        "by a finder that was fitted on the other folds; the one in this bundle was fitted on all of them in the same "
        f"way. They were looked at as in service{', with the gate' if card.gate else ''}. The worst misses, with "
        "pictures, are in `misses.html`."
    )
    yield ""
    yield "| figure | value (95% interval over frames) | meaning |"
    yield "|---|---|---|"
    for name, (label, meaning) in _WORDS.items():
        if name in card.metrics:
            yield f"| {label} | {in_words(card.metrics[name])} | {meaning} |"


def _limits(card: FinderCard, judged: Sequence[Judged]) -> Iterator[str]:
    faces = sum(len(one.truth) for one in judged)
    if faces < _FEW_FACES:
        yield f"- Measured on {faces} faces only: the interval is what counts, not the value."
    yield "- Frames of one scene may lie in several folds, where nobody said which belong together (column `camera`)."
    yield "- The threshold was set on all judged frames; faces found and boxes right are at thresholds of other folds."
    if not any(one.empty for one in judged):
        yield "- No frame without a face was there: how often it takes something else for a face is unknown."


def in_words(figure: Figure) -> str:
    """Value and interval."""
    interval = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{interval}"


def summary(card: FinderCard, bundle: Path) -> str:
    """For the person who asked for it."""
    lines = [f"finder     {card.version}", f"threshold  {card.threshold:.3f}", ""]
    lines.append("on frames it was not fitted on (95% interval over frames)")
    lines += [
        f"  {label:<52}{in_words(card.metrics[name])}" for name, (label, _) in _WORDS.items() if name in card.metrics
    ]
    lines += ["", f"what it missed, with pictures: {bundle / 'misses.html'}"]
    lines.append(f"try it: station faces preview FOLDER --finder {bundle} --out page.html")
    return "\n".join(lines) + "\n"
