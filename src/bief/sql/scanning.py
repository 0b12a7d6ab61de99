"""Rows of a scan in the types of their columns, whatever the database's own form of them is."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.schema import BINARY, BOOLEAN, FLOAT, INTEGER, JSON, TEXT

_KEPT: Final = (INTEGER, FLOAT, BOOLEAN, BINARY)
_BOOLEANS: Final = {0: False, 1: True}
_WORDS: Final = {True: "true", False: "false"}


def typed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `rows`, by place, in the types of `schema`. A column with a value that its type cannot hold, which
    somebody wrote by hand, becomes text as a whole.
    """
    columns = [_typed(column, field.type) for column, field in zip(rows.columns, schema, strict=True)]
    return pa.Table.from_arrays(columns, names=schema.names) if columns else rows.select([])


def array_of(values: list[Any], arrow_type: pa.DataType) -> Column:
    """Python values of one column, where the database has no types: as that type's nearest form in Arrow."""
    if arrow_type == BOOLEAN:
        values = [_BOOLEANS.get(value, value) for value in values]
    plain = arrow_type if arrow_type in _KEPT else TEXT
    try:
        return arrow.array(values, plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return arrow.array([None if value is None else _word(value) for value in values], TEXT)


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return _WORDS[value] if isinstance(value, bool) else str(value)


def _typed(column: Column, arrow_type: pa.DataType) -> Column:
    if isinstance(column.type, pa.OpaqueType):
        column = column.cast(column.type.storage_type)
    if column.type == arrow_type:
        return column
    if arrow_type == JSON:
        return column.cast(TEXT).cast(JSON)
    try:
        return column.cast(arrow_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column.cast(TEXT) if column.type != TEXT else column
