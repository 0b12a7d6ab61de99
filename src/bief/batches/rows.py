"""From JSON records to Arrow rows.

Called by sources that read JSON, one reader for each stream they read; hands on the rows of `batches.batch.Batch`.
Most batches go through `batches.native`, in which no record becomes a Python object; what is odd in any way goes
through `batches.strict`, record by record, with the same outcome for good records and a reason for bad ones.

Objects become columns (`customer__id`), lists keep their own text as json, and a column without any value is left
out. Where a member is an object in one record and something else in another, the objects become columns as ever and
the rest has the column of the member's own name, so that no column depends on where a batch was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa

from bief.batches import strict
from bief.batches.arrow import Column, arrow
from bief.batches.batch import ROW_NUMBER, RejectedRow
from bief.batches.columns import Columns, Path
from bief.batches.native import NativeReader

MAX_RECORD_BYTES: Final = 64 * 2**20
_SHOWN_BYTES: Final = 64 * 2**10


@dataclass(frozen=True)
class Records:
    """Readable records as rows (ROW_NUMBER is the place in what was read), and the others as rejected rows."""

    rows: pa.Table
    rejected: tuple[RejectedRow, ...]


class RecordReader:
    """Reads the records of one stream, batch by batch, and remembers names and text columns from one to the next.

    `declared`: types by column name (`Shape.reader_types`). A declared decimal, text or json is read from the record's
    own text; a declared decimal that some value does not fit stays text, for the contract to say which. All other
    types are left to the contract.
    """

    def __init__(
        self, declared: Mapping[str, pa.DataType] | None = None, *, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self._columns = Columns(declared or {})
        self._native = NativeReader(self._columns)
        self._max_record_bytes = max_record_bytes

    def read(self, records: Sequence[bytes | msgspec.Raw], origin: Callable[[int], str]) -> Records:
        """The rows of `records`; `origin` names the place of a record in the source, by its index."""
        texts = [record if isinstance(record, bytes) else bytes(record) for record in records]
        if texts and max(map(len, texts)) <= self._max_record_bytes:
            found = self._native.read(texts)
            if found is not None:
                return Records(self._table(found, list(range(len(texts)))), ())
        outcome = strict.read(texts, self._columns, self._max_record_bytes)
        rejected = tuple(
            RejectedRow(origin=origin(index), rule=refusal.rule, reason=refusal.reason, raw=_shown(texts[index]))
            for index, refusal in outcome.refused.items()
        )
        return Records(self._table(outcome.columns, outcome.kept), rejected)

    def column_name(self, path: Path) -> str:
        """What the value at `path`, the keys that lead to it, is called in the rows read so far."""
        return self._columns.name(path)

    def _table(self, found: Mapping[Path, Column], kept: list[int]) -> pa.Table:
        """The columns that have a value or a declared type, in the order in which the stream first showed them."""
        self._columns.learn(path for path, column in found.items() if column.null_count < len(column))
        columns: dict[str, Column] = {}
        for path in self._columns.in_order(found):
            column, name, declared = found[path], self._columns.name(path), self._columns.declared(path)
            if column.null_count < len(column):
                columns[name] = column
            elif declared is not None and self._columns.is_free(name):
                columns[name] = arrow.chunked_array([arrow.nulls(len(column), declared)])
        columns[ROW_NUMBER] = arrow.chunked_array([arrow.array(kept, arrow.int64())])
        return pa.table(columns)


def _shown(text: bytes) -> str:
    return text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
