"""What a destination remembers besides the rows it holds: its quarantine, and what each run has loaded.

Filled by destinations, read by `bief quarantine`, `bief rollback` and the code behind them (`run.replay`,
`run.rollback`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from bief.batches.batch import Position, RejectedRow

_OTHER_WAYS: Final = "restore a backup, or load everything again with bief run --full-refresh"


@dataclass(frozen=True)
class QuarantineFilter:
    """Which quarantined rows are meant: those for which everything that is given holds.

    `ids` empty: any. `since_load`: only rows of that load and of later ones.
    """

    pipeline: str | None = None
    stream: str | None = None
    run_id: str | None = None
    rule: str | None = None
    ids: tuple[str, ...] = ()
    since_load: int = 0


@dataclass(frozen=True)
class QuarantinedRow:
    """A rejected row where it is kept. `id` is `<load>-<number within the load>`, and stays as long as the row does."""

    id: str
    load_id: int
    run_id: str
    pipeline: str
    stream: str
    table: str
    rejected: RejectedRow
    rejected_at: datetime


@dataclass(frozen=True)
class QuarantineCount:
    """How many rows of one stream one rule has put into the quarantine."""

    pipeline: str
    stream: str
    rule: str
    rows: int


@dataclass(frozen=True)
class StreamRun:
    """What one run has loaded into one stream: the sums of its rows in the ledger.

    `first_load` and `last_load` are the smallest and the greatest of its load ids; `completed_load` is the load that
    completed a round, if one did. `released`: rows that came back from the quarantine. `rebuilt`: the run filled a
    table that takes the place of the old one. `rolled_back`: it was taken back.
    """

    run_id: str
    table: str
    mode: str
    first_load: int
    last_load: int
    completed_load: int | None
    loaded: int
    deleted: int
    rejected: int
    released: int
    rebuilt: bool
    rolled_back: bool
    committed_at: datetime

    @property
    def keeps(self) -> str:
        """Why this cannot be taken back exactly, as the end of a sentence with what to do; empty if it can."""
        if self.mode in ("merge", "replace") or (self.rebuilt and self.mode == "append"):
            how = f"in mode {self.mode}" if self.mode != "append" else "with --full-refresh"
            return f"was loaded {how}, and the rows that stood there before are gone: {_OTHER_WAYS}"
        if self.released:
            return f"brought {self.released} rows back from the quarantine, where they are not any more: {_OTHER_WAYS}"
        if self.mode == "history" and self.deleted:
            deleted = f"closed {self.deleted} versions of rows that the source had deleted"
            return f"{deleted}, which cannot be told from others: {_OTHER_WAYS}"
        return ""


@dataclass(frozen=True)
class TakenBack:
    """What a rollback undid in one stream: rows that left the table, and rows that left the quarantine."""

    rows: int
    rejected: int


@dataclass(frozen=True)
class StreamState:
    """What a destination remembers of one stream, for `bief plan`."""

    position: Position | None
    table_exists: bool
    rows: int | None
    last_success: datetime | None


class Memory(Protocol):
    """The half of `ports.destination.Destination` that is asked about the past. Raises `DestinationError`."""

    def rejected_rows(self, which: QuarantineFilter, *, after: str = "", limit: int) -> list[QuarantinedRow]:
        """Quarantined rows in the order of their ids, from the one that follows `after`; also before `prepare`."""
        ...

    def rejected_counts(self, which: QuarantineFilter) -> list[QuarantineCount]:
        """How many rows are in the quarantine, by stream and rule."""
        ...

    def stream_runs(self, pipeline: str, stream: str) -> list[StreamRun]:
        """What each run has loaded into a stream, the newest run first. Changes nothing."""
        ...

    def state(self, pipeline: str, stream: str, table: str) -> StreamState:
        """What is remembered of a stream, without taking it over; also before `prepare`, changing nothing."""
        ...
