"""How far an incremental stream has been read: the greatest cursor value seen, in the source's own text.

Values are compared as numbers or as times, whatever their text looks like; a value that is neither, or of the other
kind, never moves the mark. Pure; used by `incremental`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

DEFAULT_LOOKBACK_SECONDS: Final = 600.0
_NUMBER: Final = re.compile(r"-?\d{1,38}(\.\d{1,38})?", re.ASCII)
_TIME: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?P<clock>(?P<t>[T ])\d\d:\d\d(?::\d\d)?(?:[.,](?P<fraction>\d{1,18}))?)?"
    r"(?P<zone>\s?Z|[+-]\d\d:?(?:\d\d)?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION_DIGITS: Final = 18
_MICROSECOND_DIGITS: Final = 6
_EPOCH_MILLISECONDS_FROM: Final = Decimal(10) ** 11


@dataclass(frozen=True, order=True)
class Moment:
    """A time that can be compared: whole seconds in UTC, and the digits after them however many there are."""

    second: datetime
    fraction: str


Comparable = Decimal | Moment


def comparable(text: str) -> Comparable | None:
    """The number or moment that a text stands for, or None. A time without a zone is taken for UTC."""
    if _NUMBER.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            return None
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    moment = _parsed(match)
    return None if moment is None else Moment(moment, (match["fraction"] or "").ljust(_FRACTION_DIGITS, "0"))


def _parsed(match: re.Match[str]) -> datetime | None:
    """The time in UTC, without its fraction."""
    clock = (match["clock"] or "T00:00").replace(" ", "T")
    zone = (match["zone"] or "").strip()
    fraction_at = max(clock.find("."), clock.find(","))
    try:
        moment = datetime.fromisoformat(match["day"] + (clock if fraction_at < 0 else clock[:fraction_at]) + zone)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_after(one: Comparable, other: Comparable) -> bool | None:
    """Whether the one is greater; None if a number meets a time."""
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one > other
    if isinstance(one, Moment) and isinstance(other, Moment):
        return one > other
    return None


class HighMark:
    """The greatest value among those shown to it. Starts where an earlier round ended."""

    def __init__(self, start: str | None, now: datetime) -> None:
        self.text = start
        self.unusable = 0
        self._value = comparable(start) if start is not None else None
        # A row dated into the future would hide all changes until then: it is loaded, and moves no mark.
        self._ceiling = Moment((now + timedelta(days=1)).replace(microsecond=0), "0" * _FRACTION_DIGITS)

    def show(self, text: str | None) -> None:
        value = comparable(text) if text is not None else None
        if value is None or (isinstance(value, Moment) and value > self._ceiling):
            self.unusable += 1
            return
        greater = True if self._value is None else is_after(value, self._value)
        if greater is None:
            self.unusable += 1
        elif greater:
            self.text, self._value = text, value


def low_bound(mark: str, lookback_seconds: float | None, pattern: str | None) -> str:
    """Where a round begins that follows a mark: never after it, in words that the API understands."""
    value = comparable(mark)
    if isinstance(value, Decimal):
        return _lower_number(mark, value, lookback_seconds or 0.0)
    lookback = DEFAULT_LOOKBACK_SECONDS if lookback_seconds is None else lookback_seconds
    match = _TIME.fullmatch(mark)
    if value is None or match is None or (not lookback and pattern is None):
        return mark
    return _written(value, match, timedelta(seconds=lookback), pattern)


def _lower_number(mark: str, value: Decimal, lookback_seconds: float) -> str:
    if not lookback_seconds:
        return mark
    per_second = 1000 if value >= _EPOCH_MILLISECONDS_FROM else 1
    return format(value - Decimal(str(lookback_seconds)) * per_second, "f")


def _written(value: Moment, match: re.Match[str], lookback: timedelta, pattern: str | None) -> str:
    """The moment, taken back and written by a pattern, or as the source wrote it. Whatever is cut off, is cut down."""
    moment = value.second + timedelta(microseconds=int(value.fraction[:_MICROSECOND_DIGITS])) - lookback
    if pattern == "epoch":
        return str((moment - _EPOCH) // timedelta(seconds=1))
    if pattern == "epoch_ms":
        return str((moment - _EPOCH) // timedelta(milliseconds=1))
    zone = _parsed_zone(match)
    local = moment.astimezone(zone.tzinfo) if zone is not None else moment
    if pattern is not None:
        return local.strftime(pattern)
    if match["clock"] is None:
        return local.strftime("%Y-%m-%d") + (match["zone"] or "")
    digits = len(match["fraction"] or "")
    fraction = f".{local.microsecond:06d}"[: digits + 1].ljust(digits + 1, "0") if digits else ""
    return local.strftime(f"%Y-%m-%d{match['t']}%H:%M:%S") + fraction + (match["zone"] or "")


def _parsed_zone(match: re.Match[str]) -> datetime | None:
    zone = (match["zone"] or "").strip()
    return datetime.fromisoformat(f"2000-01-01T00:00:00{zone}") if zone else None
