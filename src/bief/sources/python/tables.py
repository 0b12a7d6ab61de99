"""Tables of whatever library, by the Arrow C interface: pyarrow, pandas, Polars, DuckDB, …

Called by `items`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.batch import ROW_NUMBER
from bief.batches.casting import natural
from bief.batches.schema import JSON, TEXT
from bief.errors import SourceMisread

_UUID: Final = pa.uuid()


def is_arrow(item: Any) -> bool:
    """Whether an object gives its content as Arrow."""
    return hasattr(item, "__arrow_c_stream__") or hasattr(item, "__arrow_c_array__")


def tables_of(item: Any, place: str, max_rows: int) -> Iterator[pa.Table]:
    """The rows of an object, at most `max_rows` at a time, in types of `batches.schema`; at least one table, so that
    columns without rows are known. Raises SourceMisread."""
    is_first = True
    for batch in _batches(item, place):
        table = _named(pa.Table.from_batches([batch]), place)
        for start in range(0, max(batch.num_rows, 1 if is_first else 0), max_rows):
            part = table.slice(start, max_rows)
            yield pa.table({name: _plain(part.column(name), name, place) for name in part.column_names})
        is_first = False


def _batches(item: Any, place: str) -> Iterator[pa.RecordBatch]:
    try:
        if hasattr(item, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(item)
            empty = pa.RecordBatch.from_pylist([], schema=reader.schema)
            is_empty = True
            for batch in reader:
                is_empty = is_empty and not batch.num_rows
                if batch.num_rows:
                    yield batch
            if is_empty:
                yield empty
        else:
            yield arrow.record_batch(item)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SourceMisread(f"{place}: it cannot be read as an Arrow table: {error}.") from error


def _named(table: pa.Table, place: str) -> pa.Table:
    names = [f"source_{name}" if name == ROW_NUMBER else name for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"{place}: more than one column is called '{twice[0]}'."
        raise SourceMisread(what, do="Give each column a name of its own.")
    return table.rename_columns(names)


def _plain(column: Column, name: str, place: str) -> Column:
    try:
        if column.type == _UUID:
            return arrow.chunked_array([arrow.array([None if v is None else str(v) for v in column.to_pylist()], TEXT)])
        if isinstance(column.type, pa.BaseExtensionType) and column.type != JSON:
            column = arrow.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
        return natural(column)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        what = f"{place}: the column '{name}' of type {column.type} cannot be read: {error}."
        raise SourceMisread(what, do="Convert the column in the function.") from error
