"""From the Python values of a driver to Arrow, column by column. Called by the sessions whose drivers have no Arrow.

A column whose values are all of one kind is made as a whole. Where kinds are mixed (SQLite allows a text in a column of
integers), all become texts, and `decoding` says which of them do not fit.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import arrow
from bief.batches.parsing import EXACT_FLOATS
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.sources.database.relations import Column

_INT64: Final = range(-(2**63), 2**63)
_EMPTY_SECONDS: Final = timedelta()


def batch_of(rows: Sequence[Sequence[Any]], columns: Sequence[Column], keys: int = 0) -> pa.RecordBatch:
    """Rows with a value for each of `columns`, then `keys` texts."""
    given = list(zip(*rows, strict=True))
    arrays = [column_of(values, column.type) for values, column in zip(given, columns, strict=False)]
    arrays += [column_of(values, TEXT) for values in given[len(columns) : len(columns) + keys]]
    names = [*(column.name for column in columns), *(f"_bief_key_{place}" for place in range(keys))]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def column_of(values: Sequence[Any], to: pa.DataType) -> Any:
    """An Arrow array of the type `to`, if all values are of that kind; else of texts, or of bytes."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return arrow.nulls(len(values), TEXT if to == JSON else to)
    if kinds == {str}:
        return arrow.array(values, TEXT)
    native = _native_type(kinds, to)
    if native is not None and (native != INTEGER or _fits(values)):
        return arrow.array(values, native)
    if to == FLOAT and kinds <= {int, float} and all(type(v) is not int or abs(v) < EXACT_FLOATS for v in values):
        return arrow.array([None if value is None else float(value) for value in values], FLOAT)
    if to == BINARY or kinds <= {bytes, bytearray, memoryview}:
        return arrow.array([None if value is None else _bytes(value) for value in values], BINARY)
    return arrow.array([None if value is None else text_of(value) for value in values], TEXT)


def text_of(value: Any) -> str:
    """The text of a value: numbers and moments as `batches.casting` writes and reads them, objects as JSON."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _native_type(kinds: set[type], to: pa.DataType) -> pa.DataType | None:
    if kinds == {datetime}:
        # A driver that gives moments gives them with their zone; the same column never mixes the two.
        return to if to in {TIMESTAMP, DATETIME} else None
    native = _NATIVE.get(frozenset(kinds))
    return native if native == to else None


def _fits(values: Sequence[Any]) -> bool:
    return all(value is None or value in _INT64 for value in values)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else _as_bytes(value)


def _as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else text_of(value).encode()


def _duration(value: timedelta) -> str:
    """Hours, minutes and seconds, as databases write a TIME that is no time of day."""
    micros = abs(value) // timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{rest:06}" if rest else "")
    return f"-{text}" if value < _EMPTY_SECONDS else text


_NATIVE: Final[dict[frozenset[type], pa.DataType]] = {
    frozenset({int}): INTEGER,
    frozenset({float}): FLOAT,
    frozenset({bool}): BOOLEAN,
    frozenset({bytes}): BINARY,
    frozenset({date}): DATE,
}
_WRITERS: Final[Sequence[tuple[Any, Callable[[Any], str]]]] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (float, repr),
    (Decimal, lambda value: format(value, "f")),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, _duration),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode()),
    ((dict, list, tuple, set, frozenset), lambda value: msgspec.json.encode(value).decode()),
)
