"""What a person sees in the terminal: progress, summaries, tables.  The one room of rich.

What comes from the ledger, the settings or the file system is escaped: a file may be called `IMG_1 [red].jpg`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from station.check import Finding, Level
from station.history import Tally

Row = Mapping[str, Any]
REASONS = {
    "empty": "empty file",
    "not_an_image": "not a picture",
    "truncated": "cut short",
    "corrupt": "damaged",
    "too_large": "too large",
    "unsupported": "a kind that cannot be decoded",
    "unreadable": "could not be read",
    "vanished": "gone when its turn came",
    "changed": "changed while waiting",
    "no_detections": "without detections",
    "crashed": "brought the station down",
}


def out() -> Console:
    """Where results go; a file or a pipe gets room for whole paths."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A bar with count and time left, on standard error; its one task has no total yet."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.add_task(what, total=None)
        yield bar


def summary(tally: Tally, passed_over: Mapping[str, int], seconds: float, interrupted: bool, waiting: int) -> None:
    """What a scan did."""
    images = sum(tally.outcomes.values())
    table = Table.grid(padding=(0, 2))
    table.add_row("images", f"[bold]{images}[/]", f"{images / seconds:.1f} images/s" if images else "nothing new")
    table.add_row("faces", str(tally.faces), "")
    for flaw, count in tally.unusable.items():
        table.add_row("", str(count), escape(f"cannot be used: {flaw}"))
    table.add_row("estimates", str(tally.estimates), "")
    table.add_row("duplicates", str(tally.outcomes.get("duplicate", 0)), "")
    table.add_row("broken", str(tally.outcomes.get("rejected", 0)), "")
    for reason, count in tally.reasons.items():
        table.add_row("", str(count), escape(REASONS.get(reason, reason)))
    if passed_over:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(passed_over.items()))
        table.add_row("passed over", str(sum(passed_over.values())), escape(f"not pictures by name: {kinds}"))
    out().print(table)
    if interrupted:
        out().print(f"[yellow]stopped; {waiting} pictures wait, the same command goes on with them[/]")


def estimates(rows: Iterable[Row], columns: Sequence[str], form: str) -> None:
    """Estimates as a table for the eye, or as CSV or JSON with every one of `columns`."""
    if form == "json":
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            sys.stdout.write((",\n " if number else "\n ") + json.dumps(row))
        sys.stdout.write("\n]\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _table(rows)


def listing(rows: Sequence[Row], columns: Sequence[str], shown: Mapping[str, Callable[[Row], str]], form: str) -> None:
    """Rows as CSV or JSON with every one of `columns`, or as a table for the eye: heading -> what stands under it."""
    if form == "json":
        sys.stdout.write(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        table = Table(*shown)
        for row in rows:
            table.add_row(*(escape(show(row)) for show in shown.values()))
        out().print(table if rows else "none")


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """What is known of one thing, line by line."""
    table = Table.grid(padding=(0, 2))
    for name, said in pairs:
        table.add_row(escape(name), escape(said))
    out().print(table, soft_wrap=True)


def say(line: str) -> None:
    """One line for the person who asked."""
    out().print(escape(line), soft_wrap=True)


def _table(rows: Iterable[Row]) -> None:
    table = Table("captured (UTC)", "camera", "individual", "age", "90% interval", "life stage", "file")
    for row in rows:
        table.add_row(
            when(row), escape(row["camera"]), escape(row["individual"] or ""),
            f"{row['age_years']:.1f} ± {row['sd_years']:.1f}", interval(row), escape(row["life_stage"] or ""),
            escape(row["path"].rsplit("/", 1)[-1]),
        )  # fmt: skip
    out().print(table if table.row_count else "no estimates")


def when(row: Row, length: int = 19) -> str:
    """The capture time of a row as markup, with a mark where it cannot be believed."""
    if row["captured_at"] is None:
        return "impossible" if row["captured_impossible"] else "unknown"
    shown = escape(str(row["captured_at"])[:length].replace("T", " "))
    return f"[red]{shown} impossible[/]" if row["captured_impossible"] else shown


def interval(row: Row) -> str:
    """The 90% interval of a row."""
    if row["low_years"] is None:
        return "unknown"
    return f"{row['low_years']:.1f} – {row['high_years']:.1f}"


def life(frame: Row, faces: Sequence[Row], original: str | None, copies: Sequence[str]) -> None:
    """The life of one picture, from its admission to its estimates."""
    facts(_life(frame, faces, original, copies))


def _life(frame: Row, faces: Sequence[Row], original: str | None, copies: Sequence[str]) -> Iterator[tuple[str, str]]:
    lane = "live" if frame["lane"] == 0 else "backlog"
    yield "frame", f"{frame['id']}: {frame['path']}"
    yield "camera", frame["camera"]
    yield "admitted", f"{frame['admitted_at']}, {frame['size_bytes']} bytes, {lane} lane"
    if frame["topic"]:
        yield "came on", frame["topic"]
        yield "sent as", frame["file_name"] or "no name was given"
    if frame["unspooled_at"]:
        yield "deleted", f"from the spool at {frame['unspooled_at']}"
    if frame["attempts"]:
        yield "attempts", f"{frame['attempts']}, the last in run {frame['run']}"
    yield "outcome", _outcome(frame, original)
    if frame["digest"]:
        yield "content", f"sha256 {frame['digest'][:16]}…" + _size(frame)
    if frame["outcome"] == "observed":
        yield "captured", _captured(frame)
        none = f"none looked for: {frame['people']} people are in it" if frame["people"] else "none found"
        yield "faces", str(len(faces)) if faces else none
    for face in faces:
        yield f"face {face['number']}", _face(face)
    for copy in copies:
        yield "copied to", copy


def _outcome(frame: Row, original: str | None) -> str:
    match frame["outcome"]:
        case None:
            return "waiting for its turn"
        case "rejected":
            reason = REASONS.get(frame["reason"], frame["reason"])
            return f"rejected at {frame['done_at']}: {reason}: {frame['detail']} (`station retry` tries again)"
        case "duplicate":
            return f"duplicate: the same content as {original}"
        case outcome:
            return f"{outcome} at {frame['done_at']}"


def _size(frame: Row) -> str:
    return f", {frame['width_px']} x {frame['height_px']} pixels" if frame["width_px"] else ""


def _captured(frame: Row) -> str:
    if frame["captured_source"] == "none":
        return "unknown: no time in the picture, and the camera's settings do not allow the file's"
    impossible = "; impossible, so left out of ages" if frame["captured_impossible"] else ""
    written = f", written as {frame['captured_as_recorded']}" if frame["captured_as_recorded"] else ""
    return f"{frame['captured_at'] or 'no such time'} (from {frame['captured_source']}{written}){impossible}"


def _face(face: Row) -> str:
    box = ", ".join(f"{face[side]:.3f}" for side in ("x", "y", "width", "height"))
    who = face["individual"] or "individual unknown"
    if face.get("unusable"):
        return f"{who}, cannot be used: {face['unusable']}{_good(face)}; no age is told, box {box}, number {face['id']}"
    if face["model"] is None:
        return f"{who}, box {box}, no estimate, number {face['id']}"
    age = f"{face['age_years']:.1f} ± {face['sd_years']:.1f} years, 90% interval {interval(face)}"
    stage = face["life_stage"] or "no life stage"
    return f"{who}, {age}, {stage}{_good(face)}, box {box}, model {face['model']}, number {face['id']}"


def _good(face: Row) -> str:
    """A database of before has no quality."""
    return "" if face.get("quality") is None else f", quality {face['quality']:.2f}"


def findings(all_of_them: Iterable[Finding]) -> Level:
    """What `station check` found; gives the worst."""
    worst = Level.GOOD
    marks = {
        Level.GOOD: "[green]ok     [/]",
        Level.WARNING: "[yellow]warning[/]",
        Level.WRONG: "[red]wrong  [/]",
    }
    for finding in all_of_them:
        out().print(f"{marks[finding.level]} {escape(finding.what)}", soft_wrap=True)
        worst = max(worst, finding.level)
    return worst


def command(line: str) -> None:
    """A command of the demo, as a person would type it."""
    out().print(f"[dim]$ {escape(line)}[/]")


def demo_line(row: Row) -> None:
    """One picture of the demo, as it comes out of the ledger."""
    where = escape(f"{row['camera']:<6} {row['individual'] or '':<6}")
    if row["age_years"] is None:
        why = "a copy" if row["outcome"] == "duplicate" else REASONS.get(row["reason"], row["reason"])
        out().print(f"[yellow]{when(row, 16):<16}[/]  {where} [yellow]{escape(row['outcome'] + ': ' + why)}[/]")
        return
    inside = row["low_years"] is not None and row["low_years"] <= row["true_years"] <= row["high_years"]
    mark = "[green]inside[/]" if inside else "[red]outside[/]"
    out().print(
        f"{when(row, 16):<16}  {where} [bold]{row['age_years']:4.1f}[/] years, 90% interval {interval(row):<11} "
        f"{escape(row['life_stage']):<9} [dim]true {row['true_years']:4.1f}[/] {mark}"
    )


def demo_result(rows: Sequence[Row], ages_today: Mapping[str, float]) -> None:
    """The demo's table: each animal's estimates against its true age, and what became of the rest."""
    seen = [row for row in rows if row["age_years"] is not None and not row["captured_impossible"]]
    table = Table(
        "individual", "pictures", "estimates, mean", "true age", "error", "inside the 90% interval",
        title="Simulated animals, none of which the model was fitted on",
    )  # fmt: skip
    for name in sorted(ages_today, key=lambda name: ages_today[name]):
        own = [row for row in seen if row["individual"] == name]
        if own:
            mean = sum(row["age_years"] for row in own) / len(own)
            true = sum(row["true_years"] for row in own) / len(own)
            inside = sum(row["low_years"] <= row["true_years"] <= row["high_years"] for row in own)
            table.add_row(
                escape(name),
                str(len(own)),
                f"{mean:.1f}",
                f"{true:.1f}",
                f"{mean - true:+.1f}",
                f"{inside} of {len(own)}",
            )
    out().print()
    out().print(table)
    error = sum(abs(row["age_years"] - row["true_years"]) for row in seen) / max(1, len(seen))
    inside = sum(row["low_years"] <= row["true_years"] <= row["high_years"] for row in seen)
    rejected = sum(row["outcome"] == "rejected" for row in rows)
    copies = sum(row["outcome"] == "duplicate" for row in rows)
    clocks = sum(bool(row["captured_impossible"]) for row in rows)
    out().print(
        f"{len(rows)} files: {len(seen)} estimates, {rejected} broken files recorded with their reason, "
        f"{copies} copy, {clocks} impossible clock left out of ages.\n"
        f"Mean error {error:.1f} years a picture; {inside} of {len(seen)} inside their 90% interval.\n"
        "[dim]Pictures of one animal err together: an animal that looks young for its age is outside again and again,\n"
        "which is why the interval is calibrated on animals, not on pictures.[/]"
    )


def demo_next(folder: Path) -> None:
    """What to try with one's own pictures."""
    db = escape(f"{folder}/station.db")
    out().print(
        f"""
[bold]Look at it[/]
  station estimates --db {db}
  station why IMG_0001.JPG --db {db}
[bold]Your own pictures[/] (face crops of known animals, listed with their ages in a manifest.csv)
  training fit my/manifest.csv --freeze --species giant_panda --out models/mine
  station scan my/pictures --recursive --camera ridge --model models/mine --db my.db
(the commands are in .venv/bin; `source .venv/bin/activate` puts them on your path)""",
        soft_wrap=True,
    )


def health(report: Row, form: str) -> None:
    """The station's health, as JSON or for the eye: problems last, where they are seen."""
    if form == "json":
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("station", escape(f"{report['station']}, {report['state']}"))
    for lane, queue in report["queues"].items():
        table.add_row(escape(f"{lane} lane"), _waits(queue, "pictures wait"))
    for name in ("images", "rejections"):
        counts = ", ".join(f"{n} {REASONS.get(key, key)}" for key, n in report[name].items())
        table.add_row(name, escape(counts) or "none")
    if report["refused"]:
        table.add_row("refused messages", escape(", ".join(map(_refused, report["refused"]))))
    table.add_row("estimates", f"{report['estimates']}; {_share(report['coverage']['interval'])} with an interval")
    table.add_row("capture times", f"{_share(report['coverage']['time'])} of the observed images believable")
    table.add_row("speed", f"{report['images_per_s']:.1f} images/s in the last five minutes")
    if report["running"]:
        _running(table, report["running"])
    table.add_row("outbox", escape(f"{_waits(report['outbox'], 'messages wait')}, broker: {report['broker']}"))
    free = ", ".join(f"{mb / 1000:.1f} GB for the {place}" for place, mb in report["free_mb"].items())
    table.add_row("free space", escape(free))
    for camera in report["cameras"]:
        table.add_row(escape(f"camera {camera['camera']}"), _heard(camera))
    out().print(table)
    for problem in report["problems"]:
        remedy = f": {problem['remedy']}" if problem["remedy"] else ""
        out().print(f"[red]problem[/] {escape(problem['what'] + remedy)}", soft_wrap=True)


def _running(table: Table, running: Row) -> None:
    table.add_row("model", escape(f"{running['model']} on {running['device']}"))
    for stage, times in running["stages_s"].items():
        table.add_row(escape(stage), _spread(times, 1000, "ms"))
    table.add_row("batches", _spread(running["batch_faces"], 1, "faces"))
    if running["unsent"]:
        table.add_row("unsent", f"{running['unsent']} estimates, for the broker was away too long; a replay gives them")
    for kind, size in running["device_memory_bytes"].items():
        table.add_row(escape(f"GPU {kind}"), f"{size / 1e9:.2f} GB")


def _spread(of: Row, scale: float, unit: str) -> str:
    if not of["count"]:
        return "none yet"
    most = f"95% up to {of['below_95'] * scale:g}" if of["below_95"] else "often far more"
    return f"{of['count']}, mean {of['mean'] * scale:.1f} {unit}, {most}"


def _refused(of: Row) -> str:
    reason = of["reason"].replace("_", " ")
    return f"{of['messages']} {reason}" + (f" from {of['camera']}" if of["camera"] else "")


def _waits(queue: Row, what: str) -> str:
    oldest = "" if queue["oldest_s"] is None else f", the oldest for {queue['oldest_s'] / 60:.0f} min"
    return f"{queue['waiting']} {what}{oldest}"


def _share(share: float | None) -> str:
    return "none yet" if share is None else f"{share:.1%}"


def _heard(camera: Row) -> str:
    if camera["last_heard"] is None:
        return "never heard"
    heard = escape(f"heard {camera['last_heard'][:16].replace('T', ' ')} UTC")
    if camera["allowed_silence_h"] is None:
        return f"{heard}, no rhythm yet"
    return f"{heard}, may be silent for {camera['allowed_silence_h']:.0f} h" + (
        ", [red]silent[/]" if camera["silent_since"] else ""
    )
