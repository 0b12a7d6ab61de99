"""From pieces to batches. Called by `reading` with what a function yields."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bief.base.clock import Clock
from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance, RejectedRow
from bief.batches.rows import RecordReader
from bief.sources.python.encoding import row_text
from bief.sources.python.items import Record, Rows, origin_text
from bief.sources.python.kinds import Kinds

_BATCH_SECONDS: Final = 5.0


class Collector:
    """Collects pieces until they are a batch. Owned by one thread. Records and tables are not mixed in one batch.

    `rows`: how many there are so far, also those that are rejected.
    """

    def __init__(self, label: str, reader: RecordReader, clock: Clock, batch_rows: int) -> None:
        self._label = label
        self._reader = reader
        self._clock = clock
        self._batch_rows = batch_rows
        self._empty()

    def _empty(self) -> None:
        self._records: list[Record] = []
        self._tables: list[Rows] = []
        self._rejected: list[RejectedRow] = []
        self._kinds = Kinds()
        self._began = self._clock.monotonic()
        self.rows = 0

    def has_room_for(self, piece: Record | Rows | RejectedRow) -> bool:
        """Whether the piece may be in the same batch as what was collected."""
        if isinstance(piece, Rows):
            is_like = not self._records and all(each.table.schema == piece.table.schema for each in self._tables)
            return is_like and (not self._tables or self.rows + piece.table.num_rows <= self._batch_rows)
        return not self._tables and self.rows < self._batch_rows and not self._is_old()

    def is_worth_a_load(self) -> bool:
        """Whether there is enough for a load of its own: half a batch, or what came in five seconds."""
        return bool(self.rows) and (2 * self.rows >= self._batch_rows or self._is_old())

    def add(self, piece: Record | Rows | RejectedRow) -> None:
        if not self.rows:
            self._began = self._clock.monotonic()
        self.rows += piece.table.num_rows if isinstance(piece, Rows) else 1
        if isinstance(piece, Rows):
            self._tables.append(piece)
        elif isinstance(piece, RejectedRow):
            self._rejected.append(piece)
        else:
            if piece.exact:
                self._kinds.note(len(self._records), piece.exact)
            self._records.append(piece)

    def taken(self) -> Batch:
        """What was collected, as a batch that is no place to stop; the collector is empty after that."""
        batch = self._of_tables() if self._tables else self._of_records()
        self._empty()
        return batch

    def _is_old(self) -> bool:
        return bool(self.rows) and self._clock.monotonic() - self._began >= _BATCH_SECONDS

    def _of_records(self) -> Batch:
        records, label = self._records, self._label

        def origin(index: int) -> str:
            return origin_text(label, *records[index].origin)

        read = self._reader.read([record.text for record in records], origin)
        return Batch(
            rows=self._kinds.put_back(read.rows, self._reader.column_name),
            position=None,
            rejected=(*self._rejected, *read.rejected),
            provenance=Provenance(raw=lambda index: records[index].text.decode(), origin=origin),
        )

    def _of_tables(self) -> Batch:
        table = pa.concat_tables([each.table for each in self._tables])
        pieces = [(each.item, each.first + place + 1) for each in self._tables for place in range(each.table.num_rows)]
        numbers = pa.chunked_array([pa.array(range(table.num_rows), pa.int64())])
        return Batch(
            rows=table.append_column(ROW_NUMBER, numbers),
            position=None,
            rejected=tuple(self._rejected),
            provenance=Provenance(
                raw=lambda index: row_text(table, index),
                origin=lambda index: origin_text(self._label, *pieces[index]),
            ),
            typed=True,
        )


def at(batch: Batch, position: Position) -> Batch:
    """The batch with a position."""
    return Batch(batch.rows, position, batch.rejected, batch.deleted, batch.provenance, batch.typed)
