"""From pages to batches. Called by `source.read` with the parts that a round gives."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from bief.base.clock import Clock
from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance, RejectedRow
from bief.batches.members import with_members
from bief.batches.rows import RecordReader
from bief.batches.salvage import BadRecord
from bief.sources.rest.envelopes import Record
from bief.sources.rest.prefetching import Ended, Prefetched

Key = int | str
BATCH_SECONDS: Final = 5.0
_SHOWN_BYTES: Final = 64 * 2**10


@dataclass(frozen=True)
class Part:
    """What one step of a round brings: some records, and the position after them.

    `parent`: the key of the record of another stream for which these were asked. `changed` and `deleted`: keys that
    a list of changes names.
    """

    records: Sequence[Record]
    bad: Sequence[BadRecord]
    label: str
    after: Mapping[str, Any]
    complete: bool
    parent: Key | None = None
    changed: Sequence[Key] = ()
    deleted: Sequence[Key] = ()


class Collector:
    """Collects parts until they are a batch. Owned by one thread."""

    def __init__(
        self, reader: RecordReader, clock: Clock, *, key_column: str | None = None, parent_column: str | None = None
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._key_column = key_column
        self._parent_column = parent_column
        self._empty()

    def _empty(self) -> None:
        self._records: list[Record] = []
        self._starts: list[int] = []
        self._parts: list[Part] = []
        self._deleted: dict[Key, None] = {}
        self._began: float | None = None

    @property
    def rows(self) -> int:
        """Records collected so far."""
        return len(self._records)

    @property
    def parts(self) -> int:
        """Parts collected so far."""
        return len(self._parts)

    @property
    def seconds(self) -> float:
        """Time since the first part came."""
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    def add(self, part: Part) -> None:
        self._began = self._clock.monotonic() if self._began is None else self._began
        self._starts.append(len(self._records))
        self._parts.append(part)
        self._records.extend(part.records)
        # Deletes are applied after all rows of a batch: one that was undone later in the same batch must not be.
        for key in part.changed:
            self._deleted.pop(key, None)
        self._deleted.update(dict.fromkeys(part.deleted))

    def taken(self, *, complete: bool) -> Batch:
        """What was collected, as a batch; the collector is empty after that."""
        records, starts, parts = self._records, self._starts, self._parts

        def origin(index: int) -> str:
            part = bisect.bisect_right(starts, index) - 1
            return f"{parts[part].label}, record {_place(parts[part], index - starts[part]) + 1}"

        def raw(index: int) -> str:
            text = bytes(records[index]).decode("utf-8", "replace")
            if self._parent_column is None:
                return text
            return with_members(text, {self._parent_column: parts[bisect.bisect_right(starts, index) - 1].parent})

        read = self._reader.read(records, origin)
        batch = Batch(
            rows=self._with_parents(read.rows, parts),
            position=Position(parts[-1].after, complete=complete),
            rejected=(*_rejected(parts), *read.rejected),
            deleted=self._deleted_keys(),
            provenance=Provenance(raw=raw, origin=origin),
        )
        self._empty()
        return batch

    def _with_parents(self, rows: pa.Table, parts: Sequence[Part]) -> pa.Table:
        """The rows with the key of the parent of each of them."""
        if self._parent_column is None:
            return rows
        counts = [len(part.records) for part in parts]
        places = [place for place, count in enumerate(counts) for _ in range(count)]
        keys = _keys([part.parent for part in parts])
        numbers = rows.column(ROW_NUMBER)
        column = keys.take(pa.array(places, pa.int64()).take(numbers.combine_chunks()))
        if self._parent_column in rows.column_names:
            rows = rows.drop_columns([self._parent_column])
        return rows.append_column(self._parent_column, column)

    def _deleted_keys(self) -> pa.Table | None:
        if not self._deleted or self._key_column is None:
            return None
        return pa.table({self._key_column: _keys(list(self._deleted))})


def batched(parts: Prefetched[Part], collector: Collector, batch_rows: int) -> Iterator[Batch]:
    """Batches of up to `batch_rows` rows or five seconds of work, whichever comes first."""
    while True:
        try:
            part = parts.next(max(0.0, BATCH_SECONDS - collector.seconds) if collector.parts else BATCH_SECONDS)
        except Ended:
            # Only when the run is told to stop: the last part of a round is complete.
            if collector.parts:
                yield collector.taken(complete=False)
            return
        if part is not None:
            if collector.rows and collector.rows + len(part.records) > batch_rows:
                yield collector.taken(complete=False)
            collector.add(part)
            if part.complete:
                yield collector.taken(complete=True)
                return
        if collector.parts and (collector.rows >= batch_rows or collector.seconds >= BATCH_SECONDS):
            yield collector.taken(complete=False)


def _place(part: Part, index: int) -> int:
    """The place of a good record among all records of its page."""
    for bad in part.bad:
        index += bad.index <= index
    return index


def _rejected(parts: Sequence[Part]) -> Iterator[RejectedRow]:
    for part in parts:
        for bad in part.bad:
            yield RejectedRow(
                origin=f"{part.label}, record {bad.index + 1}",
                rule="invalid_json",
                reason=bad.reason,
                raw=bad.text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
            )


def _keys(keys: Sequence[Key | None]) -> pa.Array[Any]:
    """Keys as whole numbers if all of them are, else as text."""
    if all(key is None or isinstance(key, int) for key in keys):
        return pa.array(keys, pa.int64())
    return pa.array([None if key is None else str(key) for key in keys], pa.string())
