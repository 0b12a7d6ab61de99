"""What a run shows while it works: a live table on a terminal, quiet lines elsewhere.

Both are subscribers to the run's events. Once closed they ignore what they hear.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bief.base.events import (
    BatchCommitted,
    CheckBroken,
    CrashFound,
    Event,
    PageRead,
    RateLimitWaited,
    Retried,
    RunStarted,
    SourceWarned,
    StreamFinished,
    StreamSized,
    StreamStarted,
)
from bief.cli.display import STATE_STYLES, cell_text, duration
from bief.observe.printable import printable

_REFRESHES_PER_SECOND: Final = 8
_BAR_WIDTH: Final = 20


@dataclass
class _Line:
    """One stream in the live table."""

    state: str = "waiting"
    rows: int = 0
    loaded: int = 0
    rejected: int = 0
    pages: int = 0
    bytes: int = 0
    total: int = 0
    total_bytes: int = 0
    started: float | None = None
    finished: float | None = None
    waits_until: float = 0.0

    def rate(self, now: float) -> float:
        seconds = self._seconds(now)
        return self.rows / seconds if seconds > 0 else 0.0

    def share(self) -> float:
        """How much of the stream was read, from 0 to 1; 0 where nobody knows."""
        done, total = (self.rows, self.total) if self.total else (self.bytes, self.total_bytes)
        return min(done / total, 1.0) if total else 0.0

    def left(self, now: float) -> float:
        """Seconds that the rest will take, if it goes on as until now."""
        share = self.share()
        return self._seconds(now) * (1 - share) / share if share else 0.0

    def _seconds(self, now: float) -> float:
        return ((self.finished or now) - self.started) if self.started is not None else 0.0


class LiveProgress:
    """A line for each stream: state, rows, rate, pages, and how long it will take if the source says how many."""

    def __init__(self, console: Console, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._title = ""
        self._note = ""
        self._closed = False
        self._live = Live(
            console=console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            get_renderable=self.table,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._live.stop()

    def __call__(self, event: Event) -> None:
        if self._closed:
            return
        if warning := _warning(event):
            self._console.print(Text(printable(warning), style="yellow"))
        with self._lock:
            self._hear(event, self._monotonic())

    def _hear(self, event: Event, now: float) -> None:
        match event:
            case RunStarted():
                self._title = f"{event.pipeline}  run {event.run_id}"
                self._lines = {stream: _Line() for stream in event.streams}
            case StreamStarted():
                line = self._line(event.stream)
                line.state, line.started = "resuming" if event.resumed else "reading", now
            case StreamSized():
                line = self._line(event.stream)
                line.total, line.total_bytes = event.rows, event.bytes
            case PageRead():
                line = self._line(event.stream)
                line.rows, line.pages, line.waits_until = line.rows + event.rows, line.pages + 1, 0.0
                line.bytes += event.bytes
            case RateLimitWaited():
                self._line(event.stream).waits_until = now + event.seconds
            case BatchCommitted():
                line = self._line(event.stream)
                line.loaded, line.rejected = line.loaded + event.loaded, line.rejected + event.rejected
            case StreamFinished():
                line = self._line(event.stream)
                line.state, line.finished = event.status, now
            case Retried():
                self._note = f"trying again in {duration(event.wait_seconds)}: {event.what}: {event.reason}"
            case _:
                pass

    def _line(self, stream: str) -> _Line:
        return self._lines.setdefault(stream, _Line())

    def table(self) -> Table:
        """What the terminal shows now."""
        with self._lock:
            now = self._monotonic()
            table = Table(box=None, pad_edge=False, title=Text(printable(self._title)), title_justify="left")
            for column in ("stream", "state"):
                table.add_column(column, no_wrap=True)
            for column in ("read", "loaded", "rejected", "rows/s", "pages"):
                table.add_column(column, justify="right", no_wrap=True)
            table.add_column("")
            table.add_column("", no_wrap=True)
            for stream, line in self._lines.items():
                table.add_row(*_cells(stream, line, now))
            if self._note:
                table.caption, table.caption_justify = Text(printable(self._note, 200), style="yellow"), "left"
            return table


def _cells(stream: str, line: _Line, now: float) -> list[Text | ProgressBar]:
    state = line.state
    if line.finished is None and line.waits_until > now:
        state = f"waiting for rate limit {line.waits_until - now:.0f} s"
    rate = line.rate(now)
    bar: Text | ProgressBar = Text("")
    left = ""
    if (line.total or line.total_bytes) and line.finished is None:
        bar = ProgressBar(total=1.0, completed=line.share(), width=_BAR_WIDTH)
        left = f"{duration(line.left(now))} left" if line.share() else ""
    return [
        cell_text(stream),
        Text(state, style=STATE_STYLES.get(state, "")),
        Text(f"{line.rows:,}"),
        Text(f"{line.loaded:,}"),
        Text(f"{line.rejected:,}", style="yellow" if line.rejected else ""),
        Text(f"{rate:,.0f}"),
        Text(f"{line.pages:,}"),
        bar,
        Text(left),
    ]


class QuietProgress:
    """A line when the run starts, and one for each stream when it is done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True

    def __call__(self, event: Event) -> None:
        if self._closed:
            return
        if warning := _warning(event):
            self._say(warning)
        match event:
            case RunStarted():
                self._say(f"{event.pipeline}: run {event.run_id} started: {', '.join(event.streams)}")
            case StreamFinished(status="success"):
                counts = f"{event.read} read, {event.loaded} loaded, {event.rejected} rejected"
                self._say(f"{event.stream}: {counts} in {duration(event.seconds)}")
            case StreamFinished():
                self._say(f"{event.stream}: {event.status}" + (f": {event.error}" if event.error else ""))
            case _:
                pass


def _warning(event: Event) -> str:
    match event:
        case SourceWarned():
            return f"{event.stream}: {event.message}"
        case CheckBroken(severity="warn"):
            return f"{event.stream}: check '{event.check}': {event.rows} failed, first {event.example}"
        case CrashFound():
            return f"run {event.crashed_run_id} died without saying so; this run goes on from its last commit"
        case _:
            return ""
