"""The plan: what a run would do, as data. Explaining it and doing it read the same list.

Building a plan does no more I/O than reading the destination's memory of each stream, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bief.batches.batch import Position
from bief.ports.destination import Mode
from bief.ports.source import Stream

Action = Literal["full read", "incremental read", "resume", "rebuild"]


@dataclass(frozen=True)
class PlannedStep:
    """One stream of one pipeline, and how it would be loaded. `rows` counts the table's rows, if it is known."""

    stream: Stream
    table: str
    mode: Mode
    action: Action
    guarantee: str
    position: Position | None
    table_exists: bool
    rows: int | None


@dataclass(frozen=True)
class Plan:
    """All steps of one pipeline, in the order of the project file."""

    pipeline: str
    source: str
    destination: str
    steps: tuple[PlannedStep, ...]
