"""The log of a run: one JSON object to a line, and reading it back for `bief logs`.

`assemble` subscribes a `LogFile` to the events of each run. Every text goes through the project's redactor, and
control characters are written out, so that a value from a source can neither forge a line nor drive a terminal.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bief.base.clock import Clock, SystemClock
from bief.base.events import (
    CheckBroken,
    CommitDoubted,
    CrashFound,
    Event,
    Retried,
    RunFinished,
    SourceWarned,
    StreamFinished,
)
from bief.base.secrets import Redactor
from bief.observe.printable import printable

_MAX_TEXT: Final = 20_000
_POLL_SECONDS: Final = 0.2
_WARNINGS: Final = (CheckBroken, CommitDoubted, CrashFound, Retried, SourceWarned)


class LogFile:
    """Subscriber that appends each event to a file, flushed line by line. Closed, it hears nothing more."""

    def __init__(self, path: Path, redactor: Redactor, clock: Clock | None = None) -> None:
        self._redactor = redactor
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Logs name streams, tables and errors: nobody else on the machine needs to read them.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        line = json.dumps(self._record(event))
        with self._lock:
            if not self._stream.closed:
                self._stream.write(f"{line}\n")
                self._stream.flush()

    def close(self) -> None:
        with self._lock:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(self, event: Event) -> dict[str, Any]:
        record = {"at": _time(self._clock.now()), "level": _level(event), "event": type(event).__name__}
        given = {each.name: self._value(getattr(event, each.name)) for each in fields(event)}
        if "at" in given:
            record["at"] = given.pop("at")
        return {**record, **given}

    def _value(self, value: Any) -> Any:
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, datetime):
            return _time(value)
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        # Redacted before it is cut or rewritten: half a secret, or an escaped one, would no longer be recognised.
        return printable(self._redactor.clean(str(value)), _MAX_TEXT)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(event: Event) -> str:
    if isinstance(event, StreamFinished):
        return "error" if event.status == "failed" else "info"
    if isinstance(event, RunFinished):
        return {"success": "info", "failed": "error"}.get(event.verdict, "warning")
    return "warning" if isinstance(event, _WARNINGS) else "info"


def read_log(path: Path, ended: Callable[[], bool] | None = None) -> Iterator[str]:
    """The complete lines of a log. With `ended`, waits for new ones until it says that no more will come.

    A line that is being written at this moment is given when it is complete; one that a crash has cut off, never.
    """
    with path.open(encoding="utf-8", errors="replace") as stream:
        rest = ""
        while True:
            # Asked before reading: what was written before the end is then read, whatever the order of the two.
            last = ended is None or ended()
            while chunk := stream.readline():
                rest += chunk
                if rest.endswith("\n"):
                    yield rest.removesuffix("\n")
                    rest = ""
            if last:
                return
            time.sleep(_POLL_SECONDS)


def describe(line: str) -> str:
    """A line of a log for people: time, level, event, and what is not empty."""
    try:
        record = json.loads(line)
    except ValueError:
        return printable(line)
    if not isinstance(record, dict):
        return printable(line)
    at, level, event = (str(record.pop(key, "")) for key in ("at", "level", "event"))
    trace = record.pop("trace", "")
    pairs = [f"{key}={_shown(value)}" for key, value in record.items() if value not in ("", None)]
    text = printable(f"{at}  {level:<7}  {event:<15}  {'  '.join(pairs)}")
    return text if not trace else f"{text}\n" + "\n".join(f"    {printable(part)}" for part in str(trace).split("\\n"))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value) or "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text
