"""Which type a column gets, by what SQLAlchemy reflects or by the values. Called by `sqlalchemy_session`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.sources.database.relations import Column

_MAX_DIGITS: Final = 38
_SCALES: Final = (9, 18)


def column_of(name: str, reflected: Any) -> Column:
    """The column of that name; undecided where the type that SQLAlchemy reflects does not say enough."""
    to = _type_of(reflected)
    # A text is the text of itself; of everything else the text is made besides.
    text_sql = name if to == TEXT else f"{name} as text"
    return Column(name, str(type(reflected).__name__), TEXT if to is None else to, name, text_sql, undecided=to is None)


def _type_of(reflected: Any) -> pa.DataType | None:
    types = importlib.import_module("sqlalchemy").types
    if isinstance(reflected, types.Float):
        return FLOAT
    if isinstance(reflected, types.Numeric):
        digits, scale = reflected.precision, reflected.scale or 0
        return pa.decimal128(digits, scale) if digits and 0 <= scale <= digits <= _MAX_DIGITS else None
    if isinstance(reflected, types.DateTime):
        return TIMESTAMP if getattr(reflected, "timezone", False) else DATETIME
    known = (
        (types.Boolean, BOOLEAN),
        (types.Integer, INTEGER),
        (types.Date, DATE),
        (types.JSON, JSON),
        (types.String, TEXT),
        (types.Uuid, TEXT),
        (types.Time, TEXT),
        (types.LargeBinary, BINARY),
        (types._Binary, BINARY),  # noqa: SLF001 - BINARY and VARBINARY have no other parent
    )
    found: pa.DataType | None = next((to for kind, to in known if isinstance(reflected, kind)), None)
    return found


class Seen:
    """The kinds of values that a column of unknown type has, and the digits of its decimals."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._zoned: set[bool] = set()
        self._whole = self._scale = 0

    def look(self, value: Any) -> None:
        if value is None:
            return
        self._kinds.add(type(value))
        if isinstance(value, datetime):
            self._zoned.add(value.tzinfo is not None)
        elif isinstance(value, Decimal) and value.is_finite():
            self._whole = max(self._whole, value.adjusted() + 1)
            self._scale = max(self._scale, -int(value.as_tuple().exponent))

    def type(self) -> pa.DataType:
        """The type that holds all of them; none for no value."""
        if not self._kinds:
            return pa.null()
        if self._kinds <= {Decimal, int} and Decimal in self._kinds:
            return self._decimal()
        if self._kinds == {datetime}:
            return TEXT if len(self._zoned) > 1 else TIMESTAMP if True in self._zoned else DATETIME
        if self._kinds <= {dict, list}:
            return JSON
        return _KINDS.get(next(iter(self._kinds)), TEXT) if len(self._kinds) == 1 else TEXT

    def _decimal(self) -> pa.DataType:
        for scale in _SCALES:
            if self._scale <= scale and self._whole <= _MAX_DIGITS - scale:
                return pa.decimal128(_MAX_DIGITS, scale)
        return TEXT


_KINDS: Final[dict[type, pa.DataType]] = {
    bool: BOOLEAN,
    int: INTEGER,
    float: FLOAT,
    date: DATE,
    bytes: BINARY,
    memoryview: BINARY,
}


def value_of(text: str, column: Column) -> Any:
    """The Python value of a text in a position, to compare with the column. Raises ValueError."""
    for is_kind, read in _READERS:
        if is_kind(column.type):
            return read(text)
    return text


_READERS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...]] = (
    (pa.types.is_integer, int),
    (pa.types.is_decimal, Decimal),
    (pa.types.is_floating, float),
    (pa.types.is_date, date.fromisoformat),
    (pa.types.is_timestamp, datetime.fromisoformat),
)
ORDERED: Final = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_date, pa.types.is_timestamp, pa.types.is_string)
