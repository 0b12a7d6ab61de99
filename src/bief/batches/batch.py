"""The unit that travels the road: Arrow rows, and the position they lead to.

Made by sources, shaped and guarded, written by destinations in one transaction each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

# Column (int64) that ties a row to its raw record while a batch is shaped and guarded; never written.
ROW_NUMBER: Final = "_bief_row"


@dataclass(frozen=True)
class Position:
    """Where a stream was left, in words that only its source understands.

    `value` is a JSON object without secrets. `complete` says that the source had nothing more to give: the next
    read starts a new round (everything again, or what has changed since); an incomplete one is resumed.
    """

    value: Mapping[str, Any]
    complete: bool


@dataclass(frozen=True)
class RejectedRow:
    """A record that must not be loaded, and why.

    `origin` is the place in the source ("page 3, record 17"); `raw` the record's own text; `rule` a short stable
    word (`type`, `primary_key`, `invalid_json`, …); `column` is empty where the whole record is at fault.
    """

    origin: str
    rule: str
    reason: str
    raw: str
    column: str = ""


def _no_raw(row: int) -> str:
    return ""


def _row_origin(row: int) -> str:
    return f"row {row + 1}"


@dataclass(frozen=True)
class Provenance:
    """How to find the raw record and its place in the source from a row number of the batch (0-based)."""

    raw: Callable[[int], str] = _no_raw
    origin: Callable[[int], str] = _row_origin


@dataclass(frozen=True)
class Batch:
    """Rows of one stream as the source gave them.

    `rows` has one row per readable record, in source order, with columns as the source names them (nested objects
    already flattened by `batches.rows`). `rejected` are the records that could not be read at all, so
    `read == rows.num_rows + len(rejected)`. `deleted` holds primary keys (one column per key column, already in
    table names) that the source reports as deleted; they are applied after the rows of the same batch.

    `position` None: this is no place to stop (the middle of a file): the rows become visible together with those of
    the following batches, at the next one that has a position. `typed`: the source knows the type of each column for
    the whole read (a database, a Parquet file, a CSV file that was looked through), so that nothing is guessed from
    the values of one batch, and a column without values still is one (unless its type is null).
    """

    rows: pa.Table
    position: Position | None
    rejected: Sequence[RejectedRow] = ()
    deleted: pa.Table | None = None
    provenance: Provenance = field(default_factory=Provenance)
    typed: bool = False

    @property
    def complete(self) -> bool:
        """Whether this is the last batch of a round."""
        return self.position is not None and self.position.complete

    @property
    def read(self) -> int:
        """The number of records that the source showed us for this batch."""
        return int(self.rows.num_rows) + len(self.rejected)
