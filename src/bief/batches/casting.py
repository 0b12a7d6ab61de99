"""From one column type to another, exactly: a value that would change does not fit.

Called by `guard.contract` (which makes rejected rows of what does not fit), by `batches.rows` for declared types and
by `batches.shaping`. Every cast goes over the text of the value, so that there is one set of rules: what is a number,
a date or a moment is decided by `batches.parsing`.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.parsing import PATTERNS, parse, parse_all
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP

_MAX_DECIMAL_DIGITS: Final = 38
_FEW: Final = 32
_INFERRED: Final = (TIMESTAMP, DATETIME, DATE)


def cast_column(column: Column, to: pa.DataType) -> tuple[Column, Column]:
    """The column as type `to` (one of `batches.schema`), and a mask that is true where a value does not fit.

    Where the mask is true, the value is null. Nothing is rounded, cut or guessed: `5.5` and `007` are not integers,
    `01/02/2024` is not a date, `12.345` is not a decimal(18,2), a time without zone is not a timestamp.
    """
    result = cast_values(column, to)
    return result, pc.and_(pc.is_valid(column), pc.is_null(result))


def cast_values(column: Column, to: pa.DataType) -> Column:
    """The column as type `to`, as `cast_column` makes it. All values fit if it has no more nulls than before."""
    column = natural(column)
    if column.type == to:
        return column
    result = _native(column, to)
    return _by_text(column, to) if result is None else result


def infer_text(column: Column) -> Column:
    """A text column as timestamp, datetime or date if every value is one in full ISO-8601; else as it is."""
    if column.type != TEXT or column.null_count == len(column):
        return column
    first = pc.drop_null(column)[0].as_py()
    for to in _INFERRED:
        # One value says no far more cheaply than a whole column.
        if parse(first, to) is not None:
            result = cast_values(column, to)
            if result.null_count == column.null_count:
                return result
    return column


def as_text(column: Column) -> Column:
    """The column's values as text: numbers in JSON notation, moments in ISO-8601, bytes as base64, JSON as it is."""
    column = natural(column)
    if column.type == BINARY:
        return _texts([None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()])
    if column.type == TIMESTAMP:
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    if column.type == DATETIME:
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%S")
    return column.cast(TEXT)


def natural(column: Column) -> Column:
    """The column in the type of `batches.schema` that holds all its values: int32 → integer, list → json, …"""
    arrow_type = column.type
    if arrow_type in {TEXT, INTEGER, FLOAT, BOOLEAN, DATE, TIMESTAMP, DATETIME, JSON, BINARY}:
        return column
    if pa.types.is_decimal128(arrow_type) and arrow_type.scale >= 0:
        return column
    to = _natural_type(arrow_type)
    if to is None:
        texts = [None if value is None else msgspec.json.encode(value).decode() for value in column.to_pylist()]
        return _texts(texts).cast(JSON)
    try:
        return column.cast(to)
    except pa.ArrowInvalid:
        # Nanoseconds, or more digits than a decimal has: the text loses nothing.
        return column.cast(TEXT)


def _natural_type(arrow_type: pa.DataType) -> pa.DataType | None:
    """The type of `batches.schema` for any other one; None for lists, structs and maps."""
    types = pa.types
    if types.is_dictionary(arrow_type):
        return _natural_type(arrow_type.value_type) or TEXT
    if types.is_nested(arrow_type):
        return None
    if types.is_decimal(arrow_type):
        return pa.decimal128(_MAX_DECIMAL_DIGITS, min(max(arrow_type.scale, 0), _MAX_DECIMAL_DIGITS))
    if types.is_timestamp(arrow_type):
        return TIMESTAMP if arrow_type.tz else DATETIME
    for is_kind, to in (
        (types.is_uint64, pa.decimal128(_MAX_DECIMAL_DIGITS, 0)),
        (types.is_integer, INTEGER),
        (types.is_floating, FLOAT),
        (types.is_date, DATE),
        (types.is_large_binary, BINARY),
        (types.is_fixed_size_binary, BINARY),
        (types.is_binary_view, BINARY),
    ):
        if is_kind(arrow_type):
            return to
    return TEXT


def _native(column: Column, to: pa.DataType) -> Column | None:
    """A cast that Arrow does exactly, for the common cases in which every value fits; None otherwise."""
    exact = (
        (column.type == INTEGER and (to == FLOAT or pa.types.is_decimal(to)))
        or (column.type == FLOAT and to == INTEGER)
        or (pa.types.is_decimal(column.type) and (to == INTEGER or pa.types.is_decimal(to)))
        or pa.types.is_null(column.type)
    )
    if not exact:
        return None
    try:
        return column.cast(to)
    except pa.ArrowInvalid:
        return None


def _by_text(column: Column, to: pa.DataType) -> Column:
    if to == JSON:
        return _as_json(column)
    texts = unquoted(column) if column.type == JSON else as_text(column)
    if to == TEXT:
        return texts
    if to == BINARY:
        return texts.cast(BINARY) if column.type == TEXT else arrow.chunked_array([arrow.nulls(len(column), BINARY)])
    pattern = PATTERNS.get(to)
    if pattern is not None:
        # A text that does not even look right is out; the rest is nearly always right as a whole.
        looks_right = pc.match_substring_regex(texts, pattern)
        if pc.all(looks_right).as_py() is False:
            texts = pc.if_else(looks_right, texts, arrow.scalar(None, TEXT))
    result = parse_all(texts, to)
    return result if result is not None else _by_halves(texts, to)


def _by_halves(texts: Column, to: pa.DataType) -> Column:
    """Texts of which some resist Arrow: they are found by halving, and only they and a few beside them go through
    Python."""
    if len(texts) <= _FEW:
        values = [None if text is None else parse(text, to) for text in texts.to_pylist()]
        return arrow.chunked_array([arrow.array(values, to)])
    middle = len(texts) // 2
    chunks: list[Column] = []
    for half in (texts.slice(0, middle), texts.slice(middle)):
        result = parse_all(half, to)
        result = _by_halves(half, to) if result is None else result
        chunks += result.chunks if isinstance(result, pa.ChunkedArray) else [result]
    return arrow.chunked_array(chunks, to)


def _as_json(column: Column) -> Column:
    texts = as_text(column)
    if column.type == FLOAT:
        # JSON has no word for infinity, nor for what is not a number.
        return pc.if_else(pc.is_finite(column), texts, arrow.scalar(None, TEXT)).cast(JSON)
    if column.type in {INTEGER, BOOLEAN} or pa.types.is_decimal(column.type):
        return texts.cast(JSON)
    quoted = [None if text is None else msgspec.json.encode(text).decode() for text in texts.to_pylist()]
    return _texts(quoted).cast(JSON)


def unquoted(column: Column) -> Column:
    """JSON values as text: a JSON string gives its characters, everything else its JSON text, `null` nothing."""
    texts = column.cast(TEXT).to_pylist()
    return _texts([None if text is None else _content(text) for text in texts])


def _content(json_text: str) -> str | None:
    stripped = json_text.strip()
    if stripped.startswith('"'):
        content: str = msgspec.json.decode(stripped, type=str)
        return content
    return None if stripped == "null" else json_text


def _texts(values: list[str | None]) -> Column:
    return arrow.chunked_array([arrow.array(values, TEXT)])
