"""Arrow columns as the Python values that SQLite keeps exactly, and query results as Arrow again.

Decimals are texts with all their digits, times are ISO texts that SQLite's date functions read and that sort by time:
`2025-04-20 11:30:00.000000Z`. Called by `sql.sqlite.session` and the destination's `query`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from bief.batches.schema import DATETIME

_ROWS_AT_ONCE: Final = 10_000


def bound_rows(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples to bind, a slice at a time so that memory stays small."""
    for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(_bound(column) for column in batch.columns), strict=True)


def arrow_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """The rows of a query. SQLite does not say the type of a result's column: the values do."""
    columns = [_column([row[index] for row in rows]) for index in range(len(names))]
    return pa.Table.from_arrays(columns, names=list(names))


def _bound(column: Any) -> list[Any]:
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return list(column.storage.to_pylist())
    if pa.types.is_decimal(kind):
        return [None if value is None else format(value, "f") for value in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        texts = column.cast(DATETIME).cast(pa.string()).to_pylist()
        return [None if text is None else text + zone for text in texts]
    if pa.types.is_date(kind):
        return list(column.cast(pa.string()).to_pylist())
    return list(column.to_pylist())


def _column(values: list[Any]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
