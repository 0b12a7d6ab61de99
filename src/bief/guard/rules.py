"""What a row must keep by itself: one function for each kind of check, over whole columns.

Called by `guard.checks`. Each gives the rows that break the rule as places, and says why for those that are asked
for; rows that keep the rule cost one pass over the column. Null breaks `not_null` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.casting import as_text, cast_values, unquoted
from bief.batches.schema import DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP, name_of
from bief.config.checks import AcceptedValues, Bound, Range, Regex
from bief.errors import CheckFailed
from bief.guard.misfits import shown

_SHOWN_VALUES: Final = 5
_WIDE: Final = Context(prec=100)
_DIGITS: Final = 38
_INT64: Final = 2**63
_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Broken:
    """The rows that break a rule, by their places in ascending order. `reasons` says why for some of them."""

    places: Sequence[int]
    column: str
    reasons: Callable[[Sequence[int]], list[str]]


def not_null(column: Column, name: str) -> Broken:
    """Rows without a value."""
    places = _places(pc.is_null(column)) if column.null_count else []
    return Broken(places, name, lambda wanted: ["it is null or missing"] * len(wanted))


def accepted_values(rule: AcceptedValues, column: Column) -> Broken:
    """Rows with another value. Raises `CheckFailed` if a value of the rule is none of the column's type."""
    values = arrow.chunked_array([arrow.array([_text(value) for value in rule.values], TEXT)])
    texts = unquoted(column) if column.type == JSON else column
    allowed = cast_values(values, texts.type)
    if allowed.null_count:
        wrong = values.filter(pc.is_null(allowed))[0].as_py()
        raise CheckFailed(
            f"it accepts the value {wrong!r}, but the column '{rule.column}' is of type {name_of(column.type)}.",
            do="Correct the values of the check.",
        )
    accepted = pc.is_in(texts, allowed.combine_chunks())
    some = ", ".join(_text(value) for value in rule.values[:_SHOWN_VALUES])
    more = ", …" if len(rule.values) > _SHOWN_VALUES else ""
    return _broken(pc.and_(pc.is_valid(texts), pc.invert(accepted)), column, rule.column, f"is not one of {some}{more}")


def in_range(rule: Range, column: Column) -> Broken:
    """Rows below the least or above the greatest value. Not a number (NaN) is in no range."""
    outside = []
    for bound, is_least in ((rule.least, True), (rule.most, False)):
        if bound is not None:
            limit = _limit(bound, column.type, rule.column, is_least=is_least)
            outside.append((pc.less if is_least else pc.greater)(column, limit))
    if column.type == FLOAT:
        outside.append(pc.is_nan(column))
    bad = outside[0]
    for other in outside[1:]:
        bad = pc.or_(bad, other)
    limits = " to ".join(str(limit) for limit in (rule.min, rule.max) if limit is not None)
    words = f"is not in the range {limits}" if rule.min is not None and rule.max is not None else ""
    words = words or (f"is less than {limits}" if rule.max is None else f"is greater than {limits}")
    return _broken(bad, column, rule.column, words)


def regex(rule: Regex, column: Column) -> Broken:
    """Rows whose text does not match."""
    texts = unquoted(column) if column.type == JSON else as_text(column)
    bad = pc.invert(pc.match_substring_regex(texts, rule.pattern))
    return _broken(bad, column, rule.column, f"does not match {rule.pattern}")


def expression(text: str, truth: Column, columns: dict[str, Column]) -> Broken:
    """Rows for which the expression is false; `columns` are those it names, for the reason."""

    def reasons(places: Sequence[int]) -> list[str]:
        if not columns:
            return [f"{text} is false"] * len(places)
        names, values = list(columns), [_texts_at(column, places) for column in columns.values()]
        rows = zip(*values, strict=True)
        return [f"{text} is false: {', '.join(map(_named, names, row))}" for row in rows]

    return Broken(_places(pc.invert(truth)), next(iter(columns)) if len(columns) == 1 else "", reasons)


def values_at(column: Column, places: Sequence[int]) -> list[str]:
    """Values as a reason shows them."""
    return [_shown(text) for text in _texts_at(column, places)]


def _broken(bad: Column, column: Column, name: str, words: str) -> Broken:
    return Broken(_places(bad), name, lambda places: [f"{value} {words}" for value in values_at(column, places)])


def _places(bad: Column) -> list[int]:
    """Where the mask is true. Null is not true."""
    found: list[int] = pc.indices_nonzero(bad).to_pylist() if pc.any(bad).as_py() else []
    return found


def _texts_at(column: Column, places: Sequence[int]) -> list[str | None]:
    texts: list[str | None] = as_text(column.take(arrow.array(places, arrow.int64()))).to_pylist()
    return texts


def _named(name: str, text: str | None) -> str:
    return f"{name} = {_shown(text)}"


def _shown(text: str | None) -> str:
    return "null" if text is None else shown(text)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _limit(bound: Bound, arrow_type: Any, column: str, *, is_least: bool) -> Any:
    """The limit as a value of the column's type: what is between two of its values moves into the range."""
    if isinstance(bound, Decimal):
        if arrow_type == FLOAT:
            return arrow.scalar(float(bound), FLOAT)
        if arrow_type == INTEGER or pa.types.is_decimal(arrow_type):
            return _number(bound, arrow_type, is_least=is_least)
    elif arrow_type == DATE:
        return arrow.scalar(_day(bound, is_least=is_least), DATE)
    elif arrow_type in {TIMESTAMP, DATETIME}:
        moment = _moment(bound, is_least=is_least)
        return arrow.scalar(moment if arrow_type == TIMESTAMP else moment.replace(tzinfo=None), arrow_type)
    wanted = "numbers" if isinstance(bound, Decimal) else "dates or times"
    raise CheckFailed(
        f"its limit {bound} wants a column of {wanted}, but the column '{column}' is of type {name_of(arrow_type)}.",
        do="Correct the check, or declare the type of the column.",
    )


def _number(bound: Decimal, arrow_type: Any, *, is_least: bool) -> Any:
    if arrow_type == INTEGER:
        whole = bound.to_integral_value(ROUND_CEILING if is_least else ROUND_FLOOR)
        if abs(whole) < _INT64:
            return arrow.scalar(int(whole), INTEGER)
    scale = 0 if arrow_type == INTEGER else arrow_type.scale
    step = Decimal(1).scaleb(-scale)
    greatest = Decimal(10) ** (_DIGITS - scale)
    if abs(bound) >= greatest:
        # No decimal of this scale gets there: its own greatest value takes the place of the limit.
        inward = _WIDE.subtract(greatest, step).copy_sign(bound)
    else:
        inward = bound.quantize(step, ROUND_CEILING if is_least else ROUND_FLOOR, _WIDE)
    return arrow.scalar(inward, arrow.decimal128(_DIGITS, scale))


def _day(bound: date | datetime, *, is_least: bool) -> date:
    if not isinstance(bound, datetime):
        return bound
    moment = _moment(bound, is_least=is_least)
    return moment.date() + _DAY if is_least and moment.time() != time() else moment.date()


def _moment(bound: date | datetime, *, is_least: bool) -> datetime:
    if isinstance(bound, datetime):
        return bound.astimezone(UTC) if bound.tzinfo else bound.replace(tzinfo=UTC)
    midnight = datetime(bound.year, bound.month, bound.day, tzinfo=UTC)
    return midnight if is_least else midnight + (_DAY - _TICK)
