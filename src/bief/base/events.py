"""What happens in a run, as facts with names: a closed list.

Logs, the progress display, the control store and (later) metrics and alerts are subscribers. One event per page or
batch, never per row. `seconds` are durations; `at` is wall time in UTC.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["success", "partial", "failed", "cancelled"]
StepStatus = Literal["success", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """The parent of all events."""


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    run_id: str
    pipeline: str
    streams: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class CrashFound(Event):
    """An earlier run of this pipeline died without saying so; this run goes on from its last commit."""

    pipeline: str
    crashed_run_id: str


@dataclass(frozen=True, kw_only=True)
class StreamStarted(Event):
    run_id: str
    stream: str
    table: str
    resumed: bool


@dataclass(frozen=True, kw_only=True)
class StreamSized(Event):
    """How much this read of a stream will bring, as far as the source knows: rows, or the bytes of its files; 0 where
    it does not."""

    stream: str
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class PageRead(Event):
    """One answer of a source, or one chunk of a file."""

    source: str
    stream: str
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RateLimitWaited(Event):
    """A request waits so that the source's rate limit is kept."""

    source: str
    stream: str
    seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Retried(Event):
    """Something transient failed and is tried again after `wait_seconds`."""

    what: str
    attempt: int
    wait_seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class SourceWarned(Event):
    """Something about the source that the user should know, and that stops nothing."""

    source: str
    stream: str
    message: str


@dataclass(frozen=True, kw_only=True)
class SourceSaid(Event):
    """What the code of a user's own source wrote to its log: for the log of the run, never for a display."""

    source: str
    stream: str
    message: str
    trace: str = ""


@dataclass(frozen=True, kw_only=True)
class TableChanged(Event):
    """Columns were added or widened, or the table was made."""

    table: str
    changes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckBroken(Event):
    """Rows of one batch, or the table as a whole, do not keep a check. `example` is the first row's origin, or what
    is wrong with the table; `severity` (reject, fail, warn) says what followed."""

    stream: str
    check: str
    severity: str
    rows: int
    example: str


@dataclass(frozen=True, kw_only=True)
class BatchCommitted(Event):
    """One transaction of the destination: rows, rejected rows, position, load record."""

    run_id: str
    stream: str
    batch_id: str
    read: int
    loaded: int
    rejected: int
    filtered: int
    deduplicated: int
    deleted: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CommitDoubted(Event):
    """COMMIT was sent, no reply came."""

    stream: str
    batch_id: str


@dataclass(frozen=True, kw_only=True)
class CommitSettled(Event):
    """A commit in doubt was settled by the ledger."""

    stream: str
    batch_id: str
    landed: bool


@dataclass(frozen=True, kw_only=True)
class StreamFinished(Event):
    run_id: str
    stream: str
    status: StepStatus
    read: int
    loaded: int
    rejected: int
    seconds: float
    error: str = ""
    # The traceback of an error that nobody foresaw: for the log, never for a display.
    trace: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    run_id: str
    pipeline: str
    verdict: Verdict
    seconds: float
    error: str = ""
    trace: str = ""


Subscriber = Callable[[Event], None]


class Events:
    """Hands each event to every subscriber, one event at a time, in the thread that emits it.

    A subscriber that raises is dropped from then on: watching must never stop the work. The last such error is
    kept in `broken` for whoever asks.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._subscribers: list[Subscriber] = []
        self.broken: Exception | None = None

    def subscribe(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._subscribers.append(subscriber)

    @contextmanager
    def heard_by(self, *subscribers: Subscriber) -> Iterator[None]:
        """These subscribers hear what is emitted inside the `with` block."""
        for subscriber in subscribers:
            self.subscribe(subscriber)
        try:
            yield
        finally:
            with self._lock:
                self._subscribers = [known for known in self._subscribers if known not in subscribers]

    def emit(self, event: Event) -> None:
        with self._lock:
            for subscriber in tuple(self._subscribers):
                try:
                    subscriber(event)
                except Exception as error:  # noqa: BLE001 - a broken display must not stop a load
                    self._subscribers.remove(subscriber)
                    self.broken = error
