"""Whole columns of texts as values, if all of them are of one kind. Called by `columns`.

Arrow's casts are quick but forgiving (`007`, `nan`, `1e5` and `0x10` are numbers to them), so each is followed by
checks that cost nanoseconds for each value; the outcome is that of `kinds.kind_of` for every single text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.casting import cast_column
from bief.batches.parsing import EXACT_FLOATS
from bief.batches.schema import DATE, DATETIME, FLOAT, INTEGER, TEXT, TIMESTAMP
from bief.sources.files.csv.kinds import BOOLEANS, HUGE_INTEGER, SAFE_DIGITS, Kind, join, kind_of

_DECIMAL_DIGITS: Final = 38
_SHORTEST_DATETIME: Final = len("2024-01-31T10:00")
_COLON: Final = len("2024-01-31T10")
_YEAR_1: Final = -719162
_YEAR_10000: Final = 2932897
_MICROSECONDS_OF_A_DAY: Final = 86_400_000_000


def settle(texts: Column, kind: Kind) -> tuple[Kind, Column | None]:
    """The kind of a column whose texts so far were of `kind`, with these texts; and these in its type, or None if
    that type is not the one that `kind` has (those that came before are to be read again then)."""
    if kind is Kind.TEXT:
        return kind, texts
    if texts.null_count == len(texts):
        return kind, arrow.nulls(len(texts), kind.type)
    found, values = _read(texts, kind) if kind is not Kind.EMPTY else (None, None)
    if found is None:
        found, values = kind_and_values(texts)
    joined = join(kind, found)
    if kind is not Kind.EMPTY and joined.type != kind.type:
        return joined, None
    return joined, values if joined.type == found.type else _read(texts, joined)[1]


def kind_and_values(texts: Column) -> tuple[Kind, Column]:
    """The kind of a column of texts of which at least one is not null, and its values in the type of that kind."""
    for kind in _CANDIDATES.get(kind_of(pc.first(texts).as_py()), ()):
        found, values = _read(texts, kind)
        if found is not None:
            return found, values
    return Kind.TEXT, texts


def read_as(texts: Column, to: pa.DataType) -> Column | None:
    """The texts as a declared type; None if one of them does not fit. The rules are those of `cast_column`."""
    if to == TEXT:
        return texts
    if texts.null_count == len(texts):
        return arrow.nulls(len(texts), to)
    for kind in _KINDS_OF.get(to, ()):
        found, values = _read(texts, kind)
        if found is not None:
            return values
    if pa.types.is_decimal(to) and (exact := _decimals(texts, to)) is not None:
        return exact
    values, misfits = cast_column(texts, to)
    return None if pc.any(misfits).as_py() else values


def _read(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    """The values, if `kind` has room for all of them, and their own kind; (None, None) if it has not."""
    try:
        return _READERS[kind](texts, kind)
    except pa.ArrowInvalid:
        return None, None


def _integers(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    values = texts.cast(INTEGER)
    extremes = pc.min_max(values).as_py()
    if _has_leading_zeros(texts, with_signs=extremes["min"] <= 0):
        return None, None
    is_small = extremes["min"] >= -EXACT_FLOATS and extremes["max"] <= EXACT_FLOATS
    return (Kind.INTEGER if is_small else Kind.LONG), values


def _huge_integers(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    if not _only(texts, b"0123456789-") or _has_leading_zeros(texts, with_signs=True):
        return None, None
    digits = pc.binary_length(pc.replace_substring(texts, "-", ""))
    return (kind, texts.cast(HUGE_INTEGER)) if pc.max(digits).as_py() <= _DECIMAL_DIGITS else (None, None)


def _decimals(texts: Column, to: pa.DataType) -> Column | None:
    """The texts as decimals; None if one does not fit, or may not."""
    # Arrow does not see that 39 digits are too many for it, and makes another number of them (pyarrow 26).
    if pc.max(pc.binary_length(texts)).as_py() > _DECIMAL_DIGITS or not _only(texts, b"0123456789-."):
        return None
    try:
        return texts.cast(to)
    except pa.ArrowInvalid:
        return None


def _floats(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    values = texts.cast(FLOAT)
    if not _only(texts, b"0123456789-.") or _has_leading_zeros(texts, with_signs=True):
        return None, None
    if _any(pc.starts_with(texts, ".")) or _any(pc.ends_with(texts, ".")) or _any(pc.starts_with(texts, "-.")):
        return None, None
    longest = pc.max(pc.binary_length(texts)).as_py()
    return (kind, values) if longest <= SAFE_DIGITS or _survive(texts, values) else (None, None)


def _survive(texts: Column, values: Column) -> bool:
    """Whether the digits of all long numbers are those that the floats are written with, as `kind_of` has it."""
    is_long = pc.greater(pc.binary_length(texts), SAFE_DIGITS)
    texts, values = texts.filter(is_long), values.filter(is_long)
    is_doubtful = pc.or_(pc.not_equal(values.cast(TEXT), texts), pc.greater(pc.abs(values), float(EXACT_FLOATS)))
    doubtful = texts.filter(is_doubtful)
    return all(kind_of(text) in {Kind.INTEGER, Kind.FLOAT} for text in doubtful.to_pylist())


def _booleans(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    true, false = BOOLEANS[kind]
    values = pc.equal(texts, true)
    is_other = pc.and_not(pc.invert(values), pc.equal(texts, false))
    return (None, None) if _any(is_other) else (kind, values)


def _dates(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    values = texts.cast(DATE)
    extremes = pc.min_max(values.cast(arrow.int32())).as_py()
    is_storable = extremes["min"] >= _YEAR_1 and extremes["max"] < _YEAR_10000
    return (kind, values) if is_storable else (None, None)


def _moments(texts: Column, kind: Kind) -> tuple[Kind | None, Column | None]:
    """Arrow's way, which takes hours without minutes for a time; else the slow way, which takes more zeros."""
    try:
        values = texts.cast(kind.type)
    except pa.ArrowInvalid:
        values, misfits = cast_column(texts, kind.type)
        return (None, None) if _any(misfits) else (kind, values)
    if kind is Kind.DATETIME:
        is_whole = pc.min(pc.binary_length(texts)).as_py() >= _SHORTEST_DATETIME
    else:
        places = pc.min_max(pc.find_substring(texts, ":")).as_py()
        is_whole = places["min"] == places["max"] == _COLON
    extremes = pc.min_max(values.cast(arrow.int64())).as_py()
    first, last = _YEAR_1 * _MICROSECONDS_OF_A_DAY, _YEAR_10000 * _MICROSECONDS_OF_A_DAY
    return (kind, values) if is_whole and first <= extremes["min"] and extremes["max"] < last else (None, None)


def _has_leading_zeros(texts: Column, *, with_signs: bool) -> bool:
    """Whether a number begins with a zero that another digit follows; `with_signs`: some may begin with `-`."""
    return any(_has_zeros_after(texts, sign) for sign in (("", "-") if with_signs else ("",)))


def _has_zeros_after(texts: Column, sign: str) -> bool:
    zeros = pc.starts_with(texts, f"{sign}0")
    if not _any(zeros):
        return False
    suspects = texts.filter(zeros)
    is_right = pc.or_(pc.equal(suspects, f"{sign}0"), pc.starts_with(suspects, f"{sign}0."))
    return not pc.all(is_right).as_py()


def _only(texts: Column, allowed: bytes) -> bool:
    """Whether the texts are made of these ASCII characters alone."""
    offsets, data = texts.buffers()[1:]
    ends = memoryview(offsets).cast("i")
    return not bytes(data[ends[texts.offset] : ends[texts.offset + len(texts)]]).translate(None, allowed)


def _any(mask: Column) -> bool:
    return pc.any(mask).as_py() is True


_Reader = Callable[[Any, Kind], tuple[Kind | None, Column | None]]
_READERS: Final[dict[Kind, _Reader]] = {
    Kind.LOWER: _booleans,
    Kind.TITLE: _booleans,
    Kind.UPPER: _booleans,
    Kind.INTEGER: _integers,
    Kind.LONG: _integers,
    Kind.HUGE: _huge_integers,
    Kind.FLOAT: _floats,
    Kind.DATE: _dates,
    Kind.DATETIME: _moments,
    Kind.TIMESTAMP: _moments,
}
# By the kind of the first value: the kinds that its column can be of, least first.
_CANDIDATES: Final = {
    **{kind: (kind,) for kind in _READERS},
    Kind.INTEGER: (Kind.INTEGER, Kind.FLOAT, Kind.HUGE),
    Kind.LONG: (Kind.INTEGER, Kind.HUGE),
}
_KINDS_OF: Final[dict[Any, tuple[Kind, ...]]] = {
    INTEGER: (Kind.INTEGER,),
    FLOAT: (Kind.FLOAT,),
    DATE: (Kind.DATE,),
    DATETIME: (Kind.DATETIME,),
    TIMESTAMP: (Kind.TIMESTAMP,),
}
