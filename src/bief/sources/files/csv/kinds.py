"""What kind of value a text is, and what type a column gets whose values are of several kinds.

The kind of a column is the least one that has room for all its values, so it depends neither on their order nor on
where blocks are cut. Only the one usual way of writing a value counts: `007`, `+5`, `1e5` and ` 5` are texts, since a
number would forget how they were written. Made into whole columns by `inference`.

    EMPTY < LOWER, TITLE, UPPER, DATE, DATETIME, TIMESTAMP < TEXT
    EMPTY < INTEGER < LONG < HUGE < TEXT
            INTEGER < FLOAT       < TEXT
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final

import pyarrow as pa

from bief.batches.parsing import EXACT_FLOATS, parse
from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, TEXT, TIMESTAMP

# This many digits survive in a float, whichever they are.
SAFE_DIGITS: Final = 15
HUGE_INTEGER: Final = pa.decimal128(38, 0)
_LONG: Final = range(-(2**63), 2**63)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,37})")
_FRACTION: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")


class Kind(Enum):
    """A set of texts that can stand in one column together."""

    EMPTY = auto()
    LOWER = auto()
    """`true` and `false`."""
    TITLE = auto()
    """`True` and `False`."""
    UPPER = auto()
    """`TRUE` and `FALSE`."""
    INTEGER = auto()
    """Integers up to 2^53, which are exact as floats, too."""
    LONG = auto()
    """Other integers of 64 bits."""
    HUGE = auto()
    """Integers of up to 38 digits."""
    FLOAT = auto()
    """Decimal fractions whose digits survive in a float."""
    DATE = auto()
    DATETIME = auto()
    """ISO 8601 without a zone."""
    TIMESTAMP = auto()
    """ISO 8601 with a zone."""
    TEXT = auto()

    @property
    def type(self) -> pa.DataType:
        """The type of a column of this kind."""
        return _TYPES[self]


BOOLEANS: Final = {Kind.LOWER: ("true", "false"), Kind.TITLE: ("True", "False"), Kind.UPPER: ("TRUE", "FALSE")}
_TYPES: Final[dict[Kind, pa.DataType]] = {
    Kind.EMPTY: pa.null(),
    Kind.LOWER: BOOLEAN,
    Kind.TITLE: BOOLEAN,
    Kind.UPPER: BOOLEAN,
    Kind.INTEGER: INTEGER,
    Kind.LONG: INTEGER,
    Kind.HUGE: HUGE_INTEGER,
    Kind.FLOAT: FLOAT,
    Kind.DATE: DATE,
    Kind.DATETIME: DATETIME,
    Kind.TIMESTAMP: TIMESTAMP,
    Kind.TEXT: TEXT,
}
_INTEGERS: Final = (Kind.INTEGER, Kind.LONG, Kind.HUGE)
_TIMES: Final = ((Kind.DATE, DATE), (Kind.DATETIME, DATETIME), (Kind.TIMESTAMP, TIMESTAMP))


def join(one: Kind, other: Kind) -> Kind:
    """The least kind that has room for both."""
    if one is other or other is Kind.EMPTY:
        return one
    if one is Kind.EMPTY:
        return other
    if one in _INTEGERS and other in _INTEGERS:
        return max(one, other, key=_INTEGERS.index)
    return Kind.FLOAT if {one, other} == {Kind.INTEGER, Kind.FLOAT} else Kind.TEXT


def kind_of(text: str) -> Kind:
    """The least kind that one text belongs to."""
    if _INTEGER.fullmatch(text):
        number = int(text)
        if number in _LONG:
            return Kind.INTEGER if abs(number) <= EXACT_FLOATS else Kind.LONG
        return Kind.HUGE
    if _FRACTION.fullmatch(text):
        return Kind.FLOAT if _survives(text) else Kind.TEXT
    for kind, words in BOOLEANS.items():
        if text in words:
            return kind
    return next((kind for kind, arrow_type in _TIMES if _is(text, arrow_type)), Kind.TEXT)


def _survives(text: str) -> bool:
    """Whether the shortest way of writing the float has the same digits."""
    if len(text) <= SAFE_DIGITS:
        return True
    number = float(text)
    return math.isfinite(number) and Decimal(repr(number)) == Decimal(text)


def _is(text: str, arrow_type: Any) -> bool:
    return text[:4].isdigit() and parse(text, arrow_type) is not None
