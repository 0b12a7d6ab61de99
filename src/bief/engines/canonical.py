"""Rows in one form, so that equal values are equal bytes wherever they come from.

Called by `engines.comparing` for both sides. What a database may change without changing the value is taken out: the
order of keys and the notation of numbers in JSON (PostgreSQL's jsonb), the sign of zero (SQLite), the scale of
decimals (they all get the column's). A value that its column cannot hold (written by hand into SQLite, `NaN` in a
numeric) stands as text in the column `ODD`, which is null in every ordinary row.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.casting import as_text, cast_column
from bief.batches.schema import FLOAT, JSON, TEXT

ODD: Final = "_bief_odd"
_FEW_DIGITS: Final = 400


def canonical_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of `canonical` rows: JSON as text, and `ODD` at the end."""
    fields = [pa.field(field.name, TEXT if field.type == JSON else field.type) for field in schema]
    return pa.schema([*fields, pa.field(ODD, TEXT)])


def canonical(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with exactly the columns of `canonical_schema(schema)`; a column that is not there is null."""
    columns, odd = list[Column](), dict[int, dict[str, str]]()
    for field in schema:
        if field.name not in rows.column_names:
            columns.append(arrow.nulls(rows.num_rows, TEXT if field.type == JSON else field.type))
            continue
        values, misfits = cast_column(rows.column(field.name), field.type)
        places = pc.indices_nonzero(misfits)
        texts: list[str] = as_text(rows.column(field.name)).take(places).to_pylist() if len(places) else []
        for place, text in zip(places.to_pylist(), texts, strict=True):
            odd.setdefault(place, {})[field.name] = text
        columns.append(_plain(values))
    columns.append(_odd(odd, rows.num_rows))
    return pa.Table.from_arrays(columns, schema=canonical_schema(schema))


def canonical_json(text: str) -> str:
    """JSON text with sorted keys and the shortest notation of each number; text that is no JSON stays as it is."""
    try:
        return msgspec.json.encode(_DECODER.decode(text), order="sorted").decode()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text


def _plain(values: Column) -> Column:
    if values.type == FLOAT:
        # Zero and minus zero are equal for every database, and SQLite keeps no sign of zero.
        return pc.add(values, 0.0)
    if values.type != JSON:
        return values
    texts: Column = values.cast(TEXT)
    # As one piece, so that there is one dictionary: JSON columns repeat themselves more often than not.
    coded: Column = (texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts).dictionary_encode()
    words = [canonical_json(text) for text in coded.dictionary.to_pylist()]
    return arrow.array(words, TEXT).take(coded.indices)


def _odd(odd: dict[int, dict[str, str]], rows: int) -> Column:
    if not odd:
        return arrow.nulls(rows, TEXT)
    texts = [json.dumps(odd[place], sort_keys=True) if place in odd else None for place in range(rows)]
    return arrow.array(texts, TEXT)


def _number(text: str) -> msgspec.Raw:
    number = Decimal(text)
    if abs(number.adjusted()) > _FEW_DIGITS:
        return msgspec.Raw(f"{number.normalize()}".encode())
    plain = format(number, "f")
    whole = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return msgspec.Raw((whole if whole not in ("-0", "") else "0").encode())


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
