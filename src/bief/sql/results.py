"""Results of queries in the types that the table's columns are known to have."""

from __future__ import annotations

import pyarrow as pa

from bief.batches.arrow import pc
from bief.batches.casting import cast_column
from bief.batches.schema import name_of
from bief.errors import DestinationRefused


def in_types(found: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a result, by place, with the names and types of `schema`.

    A database without a type of its own for a value (SQLite's decimals and times are texts) gets it back this way.
    Raises `DestinationRefused` if some value is not of its column's type: somebody else wrote it.
    """
    columns = []
    for column, field in zip(found.columns, schema, strict=True):
        values, misfits = cast_column(column, field.type)
        if pc.any(misfits).as_py():
            raise DestinationRefused(
                f"the column '{field.name}' holds values that are no {name_of(field.type)}.",
                do="They were written by hand: correct them, or rebuild the table with --full-refresh.",
            )
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=schema)
