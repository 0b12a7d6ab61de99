"""The rate limit of a source, kept by all its streams together. Called by `http.client` around each request.

A server counts requests when they arrive, in windows whose borders we do not know. So no `requests` + 1 of ours may
leave within one period: request i + N leaves no sooner than period · (1 + margin) after request i *has left* (not:
was allowed to leave; opening a connection can take longer than the margin). A burst of N is fine at any start.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from bief.base.events import RateLimitWaited
from bief.config.closed import Closed
from bief.errors import SourceUnavailable
from bief.http.limit_headers import quota, reset_seconds, retry_after
from bief.ports.runtime import Runtime

_TOO_MANY_REQUESTS: Final = 429
_WAIT_WITHOUT_ADVICE_SECONDS: Final = 60.0
_SHOWN_FROM_SECONDS: Final = 0.25
# The jitter of ordinary networks is below one per cent of any sensible period; the floor is for very short ones.
_MARGIN: Final = 0.007
_LEAST_MARGIN_SECONDS: Final = 0.003
_MARGIN_STEP: Final = 0.02
_MOST_MARGIN: Final = 0.25
_MARGIN_RELAXES_AFTER_SECONDS: Final = 60.0
_LOOK_EVERY_SECONDS: Final = 0.1


class RateLimit(Closed):
    """How many requests may be sent in any period of so many seconds."""

    requests: int = Field(ge=1, le=1_000_000, examples=[25])
    """Number of requests allowed in one period."""
    per_seconds: float = Field(default=1, gt=0, le=86400, examples=[5])
    """Length of the period."""


@dataclass(eq=False)
class Slot:
    """The right to send one request, the `number`-th of its source. `sent_at` is None until it has left.

    `crowd`: requests, this one included, that the server's window may have held when the right was given.
    """

    number: int
    crowd: int
    sent_at: float | None = None


class Limiter:
    """Lets the requests of one source through, one by one, at the pace that the server allows."""

    def __init__(self, limit: RateLimit | None, source: str, runtime: Runtime) -> None:
        self._limit = limit
        self._source = source
        self._runtime = runtime
        self._turnstile = threading.Lock()
        self._changed = threading.Condition()
        self._slots: deque[Slot] = deque()
        self._in_flight: set[Slot] = set()
        self._given = 0
        self._hold_until = float("-inf")
        self._hold_reason = ""
        self._margin = _MARGIN
        self._margin_since = self._now()
        self._pause: Callable[[float], object] = self._changed.wait

    @contextlib.contextmanager
    def slot(self, stream: str) -> Iterator[Slot]:
        """The right to send one request, as soon as there is one. Raises SourceUnavailable when told to stop."""
        slot = self._acquired(stream)
        try:
            yield slot
        finally:
            self.sent(slot)
            with self._changed:
                self._in_flight.discard(slot)

    def sent(self, slot: Slot) -> None:
        """The request has left. Only the first call counts."""
        with self._changed:
            if slot.sent_at is None:
                slot.sent_at = self._now()
                self._changed.notify_all()

    def learn(self, slot: Slot, status: int, headers: Mapping[str, str]) -> float | None:
        """Obey what an answer says about the limit; the seconds to stay away before the same request may be repeated.

        Everything that makes waiting necessary holds all streams of the source back.
        """
        wall = self._runtime.clock.now()
        asked = retry_after(headers, wall)
        if status == _TOO_MANY_REQUESTS:
            if asked is None:
                asked = reset_seconds(headers, wall)
            asked = _WAIT_WITHOUT_ADVICE_SECONDS if asked is None else asked
            self._widen()
            self._hold(asked, "the server answered 429 Too Many Requests")
            return asked
        left = quota(headers, wall)
        # Fewer left than we know of: somebody else draws on the same quota, or the limit is not the declared one.
        if left and left.remaining < self._expected(slot) and left.remaining <= self._others_in_flight(slot):
            self._hold(left.reset_seconds, "the server says that its quota is used up")
        return asked

    def _acquired(self, stream: str) -> Slot:
        begun = self._now()
        announced = False
        # Whoever holds the turnstile is the next to go; the others queue for it, so that nobody is overtaken for long.
        with self._turnstile, self._changed:
            while True:
                if self._runtime.stop.is_set():
                    raise SourceUnavailable("The run was told to stop.", where=f"{self._source}.{stream}")
                wait, reason = self._wait()
                if wait <= 0:
                    break
                seconds = self._now() - begun + wait
                if not announced and seconds >= _SHOWN_FROM_SECONDS:
                    announced = True
                    self._runtime.emit(
                        RateLimitWaited(source=self._source, stream=stream, seconds=seconds, reason=reason)
                    )
                # In short pieces, because the stop signal does not wake a condition.
                self._pause(min(wait, _LOOK_EVERY_SECONDS))
            self._given += 1
            slot = Slot(number=self._given, crowd=len(self._slots) + 1)
            self._in_flight.add(slot)
            if self._limit is not None:
                self._slots.append(slot)
        return slot

    def _wait(self) -> tuple[float, str]:
        """Seconds until the next request may leave, as far as is known now."""
        now = self._now()
        held = self._hold_until - now
        if self._limit is None or len(self._slots) < self._limit.requests:
            return held, self._hold_reason
        window = self._window(now)
        while self._slots and self._left(self._slots[0], now - window):
            self._slots.popleft()
        if len(self._slots) < self._limit.requests:
            return held, self._hold_reason
        reason = f"rate_limit of {self._limit.requests} requests per {self._limit.per_seconds:g} s"
        times = [slot.sent_at for slot in self._slots if slot.sent_at is not None]
        # Requests that have the right to leave and have not left yet: nobody knows how long they count.
        own = min(times) + window - now if times else _LOOK_EVERY_SECONDS
        if own <= 0:
            self._slots = deque(slot for slot in self._slots if not self._left(slot, now - window))
            own = 0.0
        return (held, self._hold_reason) if held > own else (own, reason)

    @staticmethod
    def _left(slot: Slot, before: float) -> bool:
        return slot.sent_at is not None and slot.sent_at <= before

    def _window(self, now: float) -> float:
        if self._limit is None:
            return 0.0
        if self._margin > _MARGIN and now - self._margin_since > _MARGIN_RELAXES_AFTER_SECONDS:
            self._margin = max(_MARGIN, self._margin / 2)
            self._margin_since = now
        return self._limit.per_seconds + max(self._limit.per_seconds * self._margin, _LEAST_MARGIN_SECONDS)

    def _widen(self) -> None:
        with self._changed:
            self._margin = min(_MOST_MARGIN, self._margin + _MARGIN_STEP)
            self._margin_since = self._now()

    def _hold(self, seconds: float, reason: str) -> None:
        with self._changed:
            until = self._now() + seconds
            if until > self._hold_until:
                self._hold_until, self._hold_reason = until, reason

    def _expected(self, slot: Slot) -> float:
        """How many requests the server must at least have had left for us when it answered, if we are alone."""
        if self._limit is None:
            return float("inf")
        with self._changed:
            later = self._given - slot.number
        return max(0, self._limit.requests - slot.crowd - later)

    def _others_in_flight(self, slot: Slot) -> int:
        with self._changed:
            return len(self._in_flight - {slot})

    def _now(self) -> float:
        return self._runtime.clock.monotonic()
