"""What a text must look like to be a number, a truth value, a date or a moment.

Called by `batches.casting`. `parse_all` does a whole column in Arrow and gives up if one value resists; `parse` does
one text, in Python, by the same rules. PATTERNS are necessary and nearly sufficient: what they let through can still
be a 31st of February, or too large.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DecimalException, Inexact
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, TIMESTAMP

# Up to here every integer is its own float.
EXACT_FLOATS: Final = 2**53
_INT64: Final = range(-(2**63), 2**63)
_DAY: Final = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6}0{0,12})?)?"
_ZONE: Final = r"(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)"
_NUMBER: Final = r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,4})?"
PATTERNS: Final[dict[pa.DataType, str]] = {
    INTEGER: r"^-?(?:0|[1-9]\d{0,18})(?:\.0+)?$",
    FLOAT: f"^{_NUMBER}$",
    BOOLEAN: r"^(?i:true|false|0|1)$",
    DATE: f"^{_DAY}$",
    TIMESTAMP: f"^{_DAY}[T ]{_TIME}{_ZONE}$",
    DATETIME: f"^{_DAY}[T ]{_TIME}$",
}
_COMPILED: Final = {to: re.compile(pattern[:-1] + r"\Z", re.ASCII) for to, pattern in PATTERNS.items()}
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
# Enough for whatever the pattern lets through; an exponent of four digits is refused by its size, not computed.
_EXACT: Final = Context(prec=38, Emin=-9999, Emax=9999, traps=[Inexact])
# Arrow 26 makes another number of 39 digits or more.
_MAX_DECIMAL_LENGTH: Final = 38
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def parse(text: str, to: pa.DataType) -> Any:
    """The value of `text` as a Python object for a column of type `to`; None if it does not fit."""
    if pa.types.is_decimal(to):
        return _decimal(text, to)
    if _COMPILED[to].match(text) is None:
        return None
    try:
        return _PARSERS[to](text)
    except (ValueError, OverflowError):
        return None


def parse_all(texts: Column, to: pa.DataType) -> Column | None:
    """A column of texts that match the pattern of `to`, as that type; None if any value resists."""
    if pa.types.is_decimal(to) and (pc.max(pc.binary_length(texts)).as_py() or 0) > _MAX_DECIMAL_LENGTH:
        return None
    try:
        if to == BOOLEAN:
            truths = pc.is_in(pc.utf8_lower(texts), arrow.array(["true", "1"]))
            return pc.if_else(pc.is_valid(texts), truths, arrow.scalar(None, BOOLEAN))
        result = texts.cast(to)
    except pa.ArrowInvalid:
        return None
    if to == FLOAT and not below_exact(result):
        return None
    if to in {TIMESTAMP, DATETIME, DATE} and not _all_storable(result):
        return None
    return result


def faithful(text: str) -> bool:
    """Whether the JSON number `text` is the same number after a trip through a float.

    Below 2^53 a float is what JSON numbers are read as everywhere (`0.1`); above, digits get lost.
    """
    number = float(text)
    if abs(number) < EXACT_FLOATS:
        return True
    return math.isfinite(number) and Decimal(text) in {Decimal(repr(number)), Decimal(number)}


def below_exact(column: Column) -> bool:
    """Whether all floats are below the size at which digits get lost."""
    return pc.all(pc.less(pc.abs(column), float(EXACT_FLOATS))).as_py() is not False


def _all_storable(column: Column) -> bool:
    """Whether all years are 1 to 9999: what every database, and Python, can hold."""
    extremes: dict[str, int | None] = pc.min_max(
        column.cast(pa.int64()) if column.type != DATE else column.cast(pa.int32())
    ).as_py()
    least, most = extremes["min"], extremes["max"]
    if least is None or most is None:
        return True
    if column.type == DATE:
        epoch = date(1970, 1, 1).toordinal()
        return least + epoch >= date.min.toordinal() and most + epoch <= date.max.toordinal()
    return _micros(_FIRST) <= least and most <= _micros(_LAST)


def _micros(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _decimal(text: str, to: Any) -> Decimal | None:
    if _DECIMAL.fullmatch(text) is None:
        return None
    try:
        value = Decimal(text)
        if value and value.adjusted() >= to.precision - to.scale:
            return None
        value = value.quantize(Decimal(1).scaleb(-to.scale), context=_EXACT) if value else Decimal(0)
    except DecimalException:
        return None
    return value


def _integer(text: str) -> int | None:
    value = int(text.partition(".")[0])
    return value if value in _INT64 else None


def _float(text: str) -> float | None:
    return float(text) if faithful(text) else None


def _moment(text: str) -> datetime | None:
    # Python 3.11 reads every form that the pattern lets through, once surplus zeros are gone.
    value = datetime.fromisoformat(re.sub(r"(\.\d{6})0+", r"\1", text))
    return value.astimezone(UTC) if value.tzinfo is not None else value


_PARSERS: Final[dict[pa.DataType, Callable[[str], Any]]] = {
    INTEGER: _integer,
    FLOAT: _float,
    BOOLEAN: lambda text: text.lower() in {"true", "1"},
    DATE: date.fromisoformat,
    TIMESTAMP: _moment,
    DATETIME: _moment,
}
