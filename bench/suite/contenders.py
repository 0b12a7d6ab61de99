"""What is measured, beside what, and what Bief wants to reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suite.checksums import Checksum
from suite.measuring import Command, Measured

BIEF = "Bief"


def _nothing(folder: Path) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Contender:
    """Somebody who does the work. Each function gets a scratch folder, new for each run.

    `prepare` is not timed; `found` looks at the result and is compared with `expected`.
    """

    name: str
    command: Callable[[Path], Command]
    prepare: Callable[[Path], None] = _nothing
    found: Callable[[Path], Checksum] | None = None
    expected: Checksum | None = None
    most_runs: int | None = None
    absent: str = ""
    note: str = ""


@dataclass
class Outcome:
    """What came of one contender."""

    contender: Contender
    runs: list[Measured] = field(default_factory=list)
    failure: str = ""
    wrong: str = ""

    @property
    def seconds(self) -> float | None:
        """The median; None without a run."""
        return statistics.median(run.seconds for run in self.runs) if self.runs else None

    @property
    def peak_bytes(self) -> int | None:
        """The highest of all runs."""
        return max((run.peak_bytes for run in self.runs), default=None)


Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True)
class Goal:
    """A figure and its bound. `figure` is None where one of those it compares was not measured."""

    text: str
    figure: Callable[[Outcomes], float | None]
    bound: float
    is_least: bool = False
    unit: str = ""

    def verdict(self, outcomes: Outcomes) -> str:
        """`met: 0.95 ×`, `missed: 1.21 ×` or `not measured`."""
        figure = self.figure(outcomes)
        if figure is None:
            return "not measured"
        is_met = figure >= self.bound if self.is_least else figure <= self.bound
        return f"{'met' if is_met else '**missed**'}: {figure:.2f}{self.unit}"


@dataclass(frozen=True)
class Subject:
    """One row of the table of benchmarks: the same work, done by several."""

    key: str
    title: str
    rows: int
    contenders: Sequence[Contender]
    goals: Sequence[Goal] = ()
    intro: str = ""
    limit: str = ""
    unmeasured: Sequence[str] = ()


def at_most(times: float, other: str, who: str = BIEF) -> Goal:
    """`who` takes at most so many times as long as the other."""
    return Goal(f"{who} ≤ {times} × {other}", lambda outcomes: _ratio(outcomes, who, other), times, unit=" ×")


def times_faster(times: float, other: str, who: str = BIEF) -> Goal:
    """The other takes at least so many times as long as `who`."""
    text = f"{who} ≥ {times} × faster than {other}"
    return Goal(text, lambda outcomes: _ratio(outcomes, other, who), times, is_least=True, unit=" ×")


def seconds_at_most(seconds: float, who: str) -> Goal:
    """`who` ends within so many seconds."""
    return Goal(f"{who} ≤ {seconds} s", lambda outcomes: _seconds(outcomes, who), seconds, unit=" s")


def memory_at_most(megabytes: int, who: str = BIEF) -> Goal:
    """The process tree of `who` never takes more than so many megabytes (10⁶ bytes)."""
    return Goal(f"{who} ≤ {megabytes} MB", lambda outcomes: _megabytes(outcomes, who), megabytes, unit=" MB")


def _seconds(outcomes: Outcomes, who: str) -> float | None:
    return outcomes[who].seconds if who in outcomes else None


def _ratio(outcomes: Outcomes, who: str, other: str) -> float | None:
    one, two = _seconds(outcomes, who), _seconds(outcomes, other)
    return None if one is None or two is None else one / two


def _megabytes(outcomes: Outcomes, who: str) -> float | None:
    peak = outcomes[who].peak_bytes if who in outcomes else None
    return None if peak is None else peak / 1e6
