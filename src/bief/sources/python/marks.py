"""How far a stream with a cursor has been read: the greatest value of its cursor, as exact text.

Called by `reading`. Texts that are full ISO-8601 are compared as moments, all others letter by letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self

import pyarrow as pa

from bief.batches.arrow import Column, pc
from bief.batches.casting import as_text, infer_text
from bief.batches.parsing import parse
from bief.batches.schema import DATE, DATETIME, FLOAT, INTEGER, TEXT, TIMESTAMP, name_of, type_named

_TIMES: Final = (TIMESTAMP, DATETIME, DATE)
# A row dated into the future would hide all changes until then: it is loaded, and moves no mark.
_SKEW: Final = timedelta(days=1)


@dataclass(frozen=True)
class Mark:
    """A cursor value: its text, and the name of its type."""

    text: str
    type: str

    @classmethod
    def from_json(cls, value: Mapping[str, str] | None) -> Self | None:
        return None if value is None else cls(value["text"], value["type"])

    def as_json(self) -> dict[str, str]:
        return {"text": self.text, "type": self.type}

    def value(self) -> Any:
        """The value in Python: int, float, Decimal, str, date, or datetime (in UTC, or naive)."""
        arrow_type = type_named(self.type)
        return self.text if arrow_type == TEXT else parse(self.text, arrow_type)

    def is_before(self, other: Mark) -> bool:
        """Raises TypeError where one cannot be compared with the other."""
        return bool(self._comparable() < other._comparable())

    def _comparable(self) -> Any:
        value = self.value()
        if isinstance(value, str):
            parsed = (parse(value, to) for to in _TIMES)
            value = next((each for each in parsed if each is not None), value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a date has no zone
        return value


def greatest(column: Column, now: datetime) -> tuple[Mark | None, int]:
    """The greatest usable value of a column of natural type, and how many rows have none: null, or in the future.

    Raises TypeError for a column whose values have no order.
    """
    ordered = infer_text(column) if column.type == TEXT else column
    if ordered.type not in {*_TIMES, TEXT, INTEGER, FLOAT} and not pa.types.is_decimal(ordered.type):
        raise TypeError(f"values of type {name_of(ordered.type)} have no order")
    usable = pc.is_valid(ordered)
    if ordered.type in _TIMES:
        usable = pc.and_(usable, pc.less_equal(ordered, pa.scalar(_ceiling(now, ordered.type), ordered.type)))
    elif ordered.type == FLOAT:
        usable = pc.and_(usable, pc.is_finite(ordered))
    places = pc.indices_nonzero(pc.fill_null(usable, False))  # noqa: FBT003 - pyarrow
    unusable = len(column) - len(places)
    if not len(places):
        return None, unusable
    candidates = ordered.take(places)
    place = places[pc.index(candidates, pc.max(candidates)).as_py()].as_py()
    text: str = as_text(column.slice(place, 1))[0].as_py()
    return Mark(text, name_of(column.type)), unusable


def _ceiling(now: datetime, arrow_type: pa.DataType) -> datetime | date:
    latest = (now + _SKEW).astimezone(UTC)
    if arrow_type == DATE:
        return latest.date()
    return latest if arrow_type == TIMESTAMP else latest.replace(tzinfo=None)
