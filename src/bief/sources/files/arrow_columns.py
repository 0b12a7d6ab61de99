"""Arrow columns of a file in the types that a table can have, the same types for all chunks of the file.

Called by the readers of Parquet and Arrow files. Objects become columns (`customer__id`), lists and maps become json.
Where the type alone does not say that every value fits (nanoseconds, more than 38 digits), the column becomes text
once a value does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.reading import Chunk

_MOST_DIGITS: Final = 38
_RENAMED: Final = {ROW_NUMBER: f"source_{ROW_NUMBER}"}
_SIMPLE: Final[tuple[tuple[Callable[[Any], bool], Any], ...]] = (
    (pa.types.is_null, pa.null()),
    (pa.types.is_boolean, BOOLEAN),
    (pa.types.is_uint64, pa.decimal128(_MOST_DIGITS, 0)),
    (pa.types.is_integer, INTEGER),
    (pa.types.is_floating, FLOAT),
    (pa.types.is_date, DATE),
    (pa.types.is_binary, BINARY),
    (pa.types.is_large_binary, BINARY),
    (pa.types.is_fixed_size_binary, BINARY),
    (pa.types.is_binary_view, BINARY),
)


class ArrowColumns:
    """The columns of one stream's files; remembers which of them had to become text. Safe to share by threads."""

    def __init__(self) -> None:
        self._texts = set[str]()
        self._lock = threading.Lock()

    def chunk(self, batch: Any, name: str, first_row: int, size_bytes: int) -> Chunk:
        """Rows of the file `name` as a chunk. `first_row` counts from 0.

        Raises SourceChanged where a column has to become text, also in the chunks before; and SourceMisread.
        """
        columns: dict[str, Column] = {}
        misfits: list[str] = []
        for column_name, column in flattened(batch, name):
            try:
                columns[column_name] = as_text(column) if column_name in self._texts else converted(column)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                misfits.append(column_name)
        if misfits:
            with self._lock:
                self._texts.update(misfits)
            raise SourceChanged(f"Values of {', '.join(misfits)} fit no exact type: they are read as text.", where=name)
        columns[ROW_NUMBER] = arrow.chunked_array([arrow.array(range(batch.num_rows), pa.int64())])
        rows = arrow.table(columns)
        provenance = Provenance(
            raw=lambda row: raw_row(rows, row), origin=lambda row: f"{name}, row {first_row + row + 1}"
        )
        return Chunk(rows, (), provenance, size_bytes)


def first_rows(batches: Iterable[Any], rows: int) -> Any:
    """The first rows of several batches as one."""
    taken: list[Any] = []
    count = 0
    for batch in batches:
        taken.append(batch)
        count += batch.num_rows
        if count >= rows:
            break
    table = arrow.Table.from_batches(taken).slice(0, rows).combine_chunks()
    return next(iter(table.to_batches()), taken[0].slice(0, 0))


def flattened(batch: Any, name: str) -> Iterator[tuple[str, Column]]:
    """Each column that is no object, with its name. Raises SourceMisread if two have the same."""
    seen = set[str]()
    for place, field in enumerate(batch.schema):
        waiting = [(_RENAMED.get(field.name, field.name), batch.column(place))]
        while waiting:
            column_name, column = waiting.pop()
            column = stored(column)
            if pa.types.is_struct(column.type) and column.type.num_fields:
                members = [(member.name, pc.struct_field(column, [index])) for index, member in enumerate(column.type)]
                waiting.extend((f"{column_name}__{key}", inner) for key, inner in reversed(members))
                continue
            if column_name in seen:
                raise SourceMisread(
                    f"The file has two columns called '{column_name}'.", where=name, do="Give each a name of its own."
                )
            seen.add(column_name)
            yield column_name, column


def stored(column: Column) -> Column:
    """The column without the wrappings that say how it is stored."""
    if isinstance(column.type, pa.BaseExtensionType) and column.type != JSON:
        if column.type == pa.uuid():
            texts = [None if value is None else str(value) for value in column.to_pylist()]
            return arrow.array(texts, TEXT)
        return stored(column.storage if hasattr(column, "storage") else column.cast(column.type.storage_type))
    if pa.types.is_dictionary(column.type):
        return stored(column.cast(column.type.value_type))
    if pa.types.is_run_end_encoded(column.type):
        return stored(pc.run_end_decode(column))
    return column


def converted(column: Column) -> Column:
    """The column in a type of `batches.schema`. Raises ArrowInvalid if a value does not fit, so that it stays exact."""
    to = natural_type(column.type)
    if to is None:
        return _json(column)
    return column if column.type == to else as_text(column) if to == TEXT else column.cast(to)


def natural_type(arrow_type: Any) -> Any:
    """The type of `batches.schema` for a type of Arrow; None for lists and their like."""
    types = pa.types
    for is_kind, to in _SIMPLE:
        if is_kind(arrow_type):
            return to
    if arrow_type == JSON:
        return JSON
    if types.is_timestamp(arrow_type):
        return TIMESTAMP if arrow_type.tz else DATETIME
    if types.is_decimal(arrow_type):
        scale = min(max(arrow_type.scale, 0), _MOST_DIGITS)
        digits = max(arrow_type.precision - min(arrow_type.scale, 0), scale)
        return pa.decimal128(min(digits, _MOST_DIGITS), scale)
    return None if types.is_nested(arrow_type) else TEXT


def as_text(column: Column) -> Column:
    """The values as text, nothing of them lost."""
    try:
        return column.cast(TEXT)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return arrow.array(texts, TEXT)


def _json(column: Column) -> Column:
    texts = [None if value is None else _encoded(value) for value in column.to_pylist()]
    return arrow.array(texts, TEXT).cast(JSON)


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def raw_row(rows: Any, row: int) -> str:
    """One row as a JSON object of its columns."""
    found = rows.slice(row, 1)
    record = {
        name: msgspec.Raw(value.encode()) if value is not None and column.type == JSON else value
        for name, column in zip(found.column_names, found.columns, strict=True)
        if name != ROW_NUMBER
        for value in [column[0].as_py()]
    }
    return _encoded(record)
