"""What a destination promises. Implemented in `bief.destinations`, called by `bief.run`, joined by `bief.assemble`.

The heart is the `Loader`: rows, rejected rows, deletes, column changes, position, load record and counts become
visible together or not at all, once (docs/guarantees.md has the protocol).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel

from bief.batches.batch import Position, RejectedRow
from bief.ports.records import Memory, TakenBack
from bief.ports.runtime import Runtime

Mode = Literal["append", "replace", "merge", "history"]


@dataclass(frozen=True)
class Capabilities:
    """What a destination can do; the conformance suite proves each of them.

    `parallel_loaders`: several streams can have an open transaction at once. `concurrent_readers`: other processes
    can read while a run writes. `max_identifier_bytes`: longer names must be shortened before they get here.
    """

    modes: frozenset[Mode]
    one_commit: bool
    parallel_loaders: bool
    concurrent_readers: bool
    max_identifier_bytes: int


@dataclass(frozen=True)
class Target:
    """Which table one stream of one pipeline is loaded into, and how.

    `version_column`: a column that grows with each version of a row; an older version never replaces a newer one.
    `allow_empty`: replace mode may publish an empty table over one that has rows. `run_id` is the run that loads.
    """

    pipeline: str
    stream: str
    table: str
    mode: Mode
    run_id: str
    primary_key: tuple[str, ...] = ()
    version_column: str | None = None
    allow_empty: bool = False


@dataclass(frozen=True)
class AddColumn:
    """A column that the table does not have yet. A table that does not exist gets all its columns this way."""

    name: str
    type: pa.DataType

    def __str__(self) -> str:
        return f"add {self.name}"


@dataclass(frozen=True)
class WidenColumn:
    """A column whose type must hold more than it does: integer → decimal or float, decimal → wider decimal."""

    name: str
    old: pa.DataType
    new: pa.DataType

    def __str__(self) -> str:
        return f"widen {self.name}"


Change = AddColumn | WidenColumn


def _unrefused(place: int, reason: str) -> RejectedRow | None:
    return None


@dataclass(frozen=True)
class Load:
    """Rows that go into one transaction of the destination: all that it makes visible, or a part of that.

    `rows` has the columns of the table in any order (columns it lacks become NULL), no two rows with the same
    primary key in merge, history and keyed append; types are exactly those of `Loader.schema` after `changes`.
    `deleted` has one column per primary-key column; append mode keeps what it was shown and applies none. `batch_id`
    is the same for each part, and for each try, of the same load. The counts say what became of `read` records before
    they got here.

    `refuse` makes the rejected row of a row of `rows`, by its place there, when the database itself refuses it; where
    it gives None, the refusal is an error of the whole load. `released`: ids of quarantined rows that this part
    brings back, and that leave the quarantine with it. `still_rejected`: by their ids, quarantined rows that were read
    again and stay where they are, with the rule and the reason of today.

    With `position.complete` the load also ends the round: replace mode publishes the new table in this same
    transaction, and the run record of the stream is closed as a success.
    """

    batch_id: str
    rows: pa.Table
    position: Position | None
    read: int
    rejected: Sequence[RejectedRow] = ()
    filtered: int = 0
    deduplicated: int = 0
    deleted: pa.Table | None = None
    changes: Sequence[Change] = ()
    refuse: Callable[[int, str], RejectedRow | None] = _unrefused
    released: Sequence[str] = ()
    still_rejected: Mapping[str, RejectedRow] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What the destination did with one part, counted by itself.

    `superseded`: rows not written because the table holds the same or a newer version (they count as deduplicated).
    `refused`: rows that the database would not take, now in the quarantine with the words of the database.
    """

    loaded: int = 0
    superseded: int = 0
    deleted: int = 0
    refused: tuple[RejectedRow, ...] = ()


@dataclass(frozen=True)
class Committed:
    """What the destination says that it did in one load, counted by itself and not copied from the load.

    `superseded` as in `Written`; `refused` is their number. `landed_before`: the ledger knew the batch id already;
    the counts are those of the first time.
    """

    load_id: int
    loaded: int
    superseded: int
    deleted: int
    refused: int = 0
    landed_before: bool = False


@dataclass(frozen=True)
class Measured:
    """The table of an open load as it would be after the commit: its rows, and the greatest value of some columns."""

    rows: int
    greatest: Mapping[str, Any]


class Loader(Protocol):
    """Loads one stream in one run. Owned by one thread. Holds the epoch that fences older runs.

    A load is `begin`, `write` for each of its parts, `end`; `commit` is all three for a load of one part. An error
    of any of them takes back the whole load.
    """

    @property
    def position(self) -> Position | None:
        """The position of the last committed load; None before the first, and where a rebuild or a round of
        replace mode starts: those need every row again."""
        ...

    @property
    def resumed(self) -> bool:
        """Whether the last round was cut off, so that this run goes on inside it."""
        ...

    @property
    def schema(self) -> pa.Schema | None:
        """The columns that rows must fit, without Bief's own; None while there is no table. In an open load, with the
        changes of the parts written so far."""
        ...

    def begin(self, batch_id: str) -> Committed | None:
        """Open the load; nothing if it is open already. If the ledger has it, it landed before: gives its counts, and
        no load is open. Raises as `commit`."""
        ...

    def write(self, load: Load) -> Written:
        """Write one part into the open load. Raises as `commit`."""
        ...

    def lookup(self, table: str, keys: pa.Table, columns: Sequence[str] = ()) -> pa.Table | None:
        """Rows of a table of this destination, as the open load sees it, whose values in the columns of `keys` stand
        together in a row of `keys`: these columns and `columns`, each combination once. None: there is no such table,
        or it lacks one of the columns. For the load's own table, looks where the load writes to. `_load_id` can be
        asked for too, and `is_current` in mode history."""
        ...

    def measure(self, columns: Sequence[str] = ()) -> Measured:
        """The load's own table with what has been written so far."""
        ...

    def end(self, position: Position | None) -> Committed:
        """Make the open load visible, exactly once. None: the position stays, and so does a round that was cut off;
        the run record of the stream is closed as a success. Raises as `commit`."""
        ...

    def take_back(self, run_id: str) -> TakenBack:
        """Undo what the newest run of the stream has loaded, in modes append and history: rows, rejected rows and
        position are as before it. Once, also if it is tried again. Raises as `commit`."""
        ...

    def rollback(self) -> None:
        """Take the open load back, if there is one."""
        ...

    def commit(self, load: Load) -> Committed:
        """Begin, write and end a load of one part.

        Raises `CommitInDoubt` or `DestinationUnavailable` (begin again with the same batch id: the ledger knows),
        `Fenced`, `DestinationRefused`, `RowsUnaccounted`. After any error nothing of the load is visible, or all of
        it is.
        """
        ...

    def fail(self, error: str, *, cancelled: bool = False) -> None:
        """Close the run record of the stream as failed (or cancelled). Position and rows stay as committed."""
        ...

    def close(self) -> None:
        """Let go of the connection; roll back what is open. Can be called twice."""
        ...


class Destination(Memory, Protocol):
    """Where data goes. `loader` may be called from several threads; each loader belongs to one."""

    Options: ClassVar[type[BaseModel]]
    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def check(self) -> None:
        """Reach the destination and prove that tables can be made. Changes nothing. Raises `DestinationError`."""
        ...

    def prepare(self) -> None:
        """Make the schema, Bief's own tables and the views `etl_logs` and `sync_metadata`; idempotent."""
        ...

    def loader(self, target: Target, *, rebuild: bool = False, as_it_stands: bool = False) -> Loader:
        """Take the stream over: fence older runs, read its state. Must follow `prepare`.

        `rebuild` (`--full-refresh`): forget the position and load into a fresh table that replaces the old one
        when the round is complete, whatever the mode; history mode keeps its versions and only reads everything again.
        A rebuild that is cut off is resumed by the next run, with or without `rebuild`.

        `as_it_stands` (replay, rollback): no round is begun; rows go into the table that readers see. Refused where
        a round of replace mode or a rebuild is half done, or the table is another one than that of the last run.
        """
        ...

    def columns(self, table: str, *, history: bool = False) -> pa.Schema | None:
        """The columns of a table in the types of `batches.schema`, without Bief's own; None if there is no table.

        `history`: the table keeps versions, and what tells them apart is Bief's own too.
        """
        ...

    def scan(self, table: str, columns: Sequence[str], *, history: bool = False) -> Generator[pa.Table, None, None]:
        """These columns of all rows of a table, in any order, a part at a time: memory does not grow with the table.

        All parts are of one moment; closing the iterator ends the reading. Types are those of `columns()`; a column
        with a value that its type cannot hold, written by hand, comes as text in that part. `history`: current
        versions only. Raises `DestinationError`.
        """
        ...

    def query(self, sql: str, *, max_rows: int | None = None) -> pa.Table:
        """The rows of one SELECT, in a read-only transaction. Raises `DestinationRefused` for anything else."""
        ...

    def close(self) -> None:
        """Let go of all connections. Can be called twice."""
        ...


class DestinationClass(Protocol):
    """What the registry gives for a kind."""

    Options: ClassVar[type[BaseModel]]
    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __call__(self, name: str, options: Any, runtime: Runtime) -> Destination: ...
