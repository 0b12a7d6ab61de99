"""The report as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from suite.contenders import BIEF, Outcome, Outcomes, Subject

_HEAD = ("who", "median s", "min–max s", "× Bief", "× limit", "CPU s", "peak MB", "result", "remarks")

_RULES = """\
Each time is that of a whole process from start to end, contenders in turn, the database emptied and checkpointed before
each run. `CPU s` is processor time of the process, without the server's. `peak MB` is the proportional size (PSS, 10⁶
bytes) of the process tree, read every 20 ms, without the server. `result` compares the number of rows and a checksum of
all values with the data as generated. Figures of one report can be compared with each other, not with those of another
machine."""


def section(subject: Subject, outcomes: Outcomes) -> list[str]:
    """The table of one subject, and its goals."""
    lines = [f"## {subject.title}", ""]
    if subject.intro:
        lines += [subject.intro, ""]
    with_limit = bool(subject.limit)
    head = [word for word in _HEAD if with_limit or word != "× limit"]
    lines += _row(head), _row(["---"] * len(head))
    for outcome in outcomes.values():
        lines.append(_row(_cells(outcome, outcomes, subject.limit)))
    lines += [_row([*line.split(": ", 1), *[""] * (len(head) - 2)][: len(head)]) for line in subject.unmeasured]
    if subject.goals:
        lines += ["", "| goal | |", "|---|---|"]
        lines += [_row([goal.text, goal.verdict(outcomes)]) for goal in subject.goals]
    return [*lines, ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cells(outcome: Outcome, outcomes: Outcomes, limit: str) -> list[str]:
    contender = outcome.contender
    name = f"**{contender.name}**" if contender.name.startswith(BIEF) else contender.name
    if not outcome.runs:
        why = contender.absent or outcome.failure or "not run"
        return [name, why, *[""] * (5 + bool(limit)), contender.note]
    seconds = [run.seconds for run in outcome.runs]
    peak = outcome.peak_bytes or 0
    return [
        name,
        f"{statistics.median(seconds):.2f}",
        f"{min(seconds):.2f}–{max(seconds):.2f}" if len(seconds) > 1 else "one run",
        _ratio(outcome, outcomes.get(BIEF)),
        *([_ratio(outcome, outcomes.get(limit))] if limit else []),
        f"{statistics.median(run.processor_seconds for run in outcome.runs):.1f}",
        f"{peak / 1e6:.0f}",
        outcome.failure or _result(outcome),
        contender.note,
    ]


def _result(outcome: Outcome) -> str:
    if outcome.contender.found is None:
        return "–"
    return f"**{outcome.wrong}**" if outcome.wrong else "right"


def _ratio(outcome: Outcome, other: Outcome | None) -> str:
    if other is None or not other.seconds or not outcome.seconds:
        return "–"
    return f"{outcome.seconds / other.seconds:.2f}"


def growth(small: Subject, few: Outcomes, large: Subject, many: Outcomes) -> list[str]:
    """The same work on few and on many rows: time for each row, and memory."""
    lines = [f"## {small.title}: {small.rows:,} rows beside {large.rows:,}", ""]
    head = ["who", f"µs a row at {small.rows:,}", f"at {large.rows:,}", "grows by", "peak MB", "then", "result"]
    lines += [_row(head), _row(["---"] * len(head))]
    for name, outcome in many.items():
        before = few.get(name)
        if before is None or before.seconds is None or outcome.seconds is None:
            lines.append(_row([name, outcome.contender.absent or outcome.failure or "not measured", *[""] * 5]))
            continue
        one, ten = before.seconds / small.rows * 1e6, outcome.seconds / large.rows * 1e6
        memory = f"{(before.peak_bytes or 0) / 1e6:.0f}", f"{(outcome.peak_bytes or 0) / 1e6:.0f}"
        lines.append(_row([name, f"{one:.2f}", f"{ten:.2f}", f"{ten / one - 1:+.0%}", *memory, _result(outcome)]))
    one, ten = _of_bief(few, small), _of_bief(many, large)
    if one and ten:
        grown = ten / one - 1
        verdict = "met" if grown <= 0.10 else "**missed**"
        lines += [
            "",
            "| goal | |",
            "|---|---|",
            _row(["time per row of Bief grows by ≤ 10 %", f"{verdict}: {grown:+.0%}"]),
        ]
        peak = (many[BIEF].peak_bytes or 0) / 1e6
        verdict = "met" if peak <= 300 else "**missed**"
        lines.append(_row(["Bief ≤ 300 MB at the larger size too", f"{verdict}: {peak:.0f} MB"]))
    return [*lines, ""]


def _of_bief(outcomes: Outcomes, subject: Subject) -> float | None:
    outcome = outcomes.get(BIEF)
    return outcome.seconds / subject.rows if outcome and outcome.seconds else None


def opening(
    command: str, runs: int, rows: int, versions: Mapping[str, Mapping[str, str]], settings: Mapping[str, str]
) -> list[str]:
    """Machine, versions and the rules of the comparison."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    lines = [
        "# Benchmarks of Bief",
        "",
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {rows:,} rows, median of {runs}.",
        "",
        f"- Machine: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, {platform.platform()}",
        f"- Load average at the start: {load} (of other work, if it is not near 0)",
        f"- PostgreSQL on the same machine: {', '.join(f'{key} {value}' for key, value in settings.items())}",
    ]
    lines += [f"- {name}: {_listed(found)}" for name, found in versions.items()]
    return [*lines, ""]


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def rules() -> Sequence[str]:
    """How to read the tables."""
    return [_RULES, ""]
