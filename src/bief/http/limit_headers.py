"""What an answer's headers say about the rate limit of the server. Read by `http.limits` and `http.client`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Whoever asks for a longer wait is taken for confused: the run fails then, and the next one tries again.
LONGEST_WAIT_SECONDS: Final = 3600.0
_PREFIXES: Final = ("ratelimit", "x-ratelimit", "x-rate-limit")
# Numbers above these are moments since 1970 (in seconds, in milliseconds), below them they are durations.
_EPOCH_SECONDS_FROM: Final = 1e9
_EPOCH_MILLISECONDS_FROM: Final = 1e12


@dataclass(frozen=True)
class Quota:
    """What is left of the server's current window, and when the window ends."""

    remaining: int
    reset_seconds: float


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the server asks us to stay away, within [0, 3600]; None if it does not say so in words we know."""
    value = headers.get("retry-after", "").strip()
    number = _number(value)
    if number is not None:
        return _clamped(number)
    moment = http_date(value)
    return None if moment is None else _clamped((moment - server_time(headers, now)).total_seconds())


def quota(headers: Mapping[str, str], now: datetime) -> Quota | None:
    """The quota that the answer declares, if it does."""
    for prefix in _PREFIXES:
        remaining = _number(headers.get(f"{prefix}-remaining", ""))
        reset = None if remaining is None else reset_seconds(headers, now)
        if remaining is not None and reset is not None:
            return Quota(max(0, int(min(remaining, 1e9))), reset)
    return None


def reset_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the server's window ends, within [0, 3600]."""
    for prefix in _PREFIXES:
        value = headers.get(f"{prefix}-reset", "").strip()
        if not value:
            continue
        number = _number(value)
        here = server_time(headers, now)
        if number is not None and number >= _EPOCH_SECONDS_FROM:
            seconds = number / 1000 if number >= _EPOCH_MILLISECONDS_FROM else number
            return _clamped(seconds - here.timestamp())
        if number is not None:
            return _clamped(number)
        moment = http_date(value)
        if moment is not None:
            return _clamped((moment - here).total_seconds())
    return None


def server_time(headers: Mapping[str, str], now: datetime) -> datetime:
    """The server's own clock, so that moments it names are measured against it; ours where it does not tell."""
    return http_date(headers.get("date", "")) or now


def http_date(value: str) -> datetime | None:
    """The moment of an HTTP date, or None."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: str) -> float | None:
    # `ratelimit-reset: 5;w=5` and `100, 100;w=60` begin with what counts now.
    if not value:
        return None
    head = value.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    try:
        number = float(head)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
