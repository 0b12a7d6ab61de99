"""Results of PostgreSQL queries in plain Arrow types. Called by the destination's `query`."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_MAX_DIGITS: Final = 38


def plain_numbers(table: pa.Table) -> pa.Table:
    """The table with its numeric columns as decimals: the driver gives them as opaque texts.

    What no decimal of 38 digits can hold (NaN, very long numbers) stays text, which is exact too.
    """
    columns = [_plain(table.column(index)) for index in range(table.num_columns)]
    fields = [pa.field(field.name, column.type) for field, column in zip(table.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _plain(column: Any) -> Any:
    if not isinstance(column.type, pa.OpaqueType):
        return column
    texts: Any = column.cast(column.type.storage_type)
    if column.type.type_name != "numeric" or not pa.types.is_string(texts.type):
        return texts
    fraction = pc.max(pc.utf8_length(pc.replace_substring_regex(texts, r"^[^.]*\.?", ""))).as_py() or 0
    try:
        return texts.cast(pa.decimal128(_MAX_DIGITS, min(fraction, _MAX_DIGITS)))
    except pa.ArrowInvalid:
        return texts
