"""Calling the function of a stream: what it is given, where it prints to, and what its errors become.

Called by `reading`.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from bief.base.events import SourceSaid, SourceWarned
from bief.errors import BiefError, SourceError, SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime

_SHOWN_CHARACTERS: Final = 500
_NAMED: Final = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Caller:
    """The place of a stream's function, for errors and for the log."""

    source: str
    stream: str
    runtime: Runtime

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Whatever the user's code raises in here becomes a SourceError with file and line."""
        try:
            yield
        except BiefError:
            raise
        except (Exception, SystemExit) as error:
            raise self._failure(error) from error

    def misread(self, what: str, do: str = "") -> SourceMisread:
        return SourceMisread(what, where=self._where, do=do)

    def warn(self, message: str) -> None:
        self.runtime.emit(SourceWarned(source=self.source, stream=self.stream, message=message))

    def logger(self) -> logging.Logger:
        """A logger that writes to the log of the run; warnings are also shown to whoever watches the run."""
        # Not known to the process: two runs in one process must not hear each other.
        logger = logging.Logger(f"bief.{self.source}.{self.stream}")  # noqa: LOG001 - see above
        logger.addHandler(_RunLog(self))
        return logger

    @property
    def _where(self) -> str:
        return f"source '{self.source}', stream '{self.stream}'"

    def _failure(self, error: BaseException) -> SourceError:
        trace = "".join(traceback.format_exception(error))
        self.runtime.emit(
            SourceSaid(source=self.source, stream=self.stream, message="the function failed", trace=trace)
        )
        kind = SourceUnavailable if isinstance(error, ConnectionError | TimeoutError) else SourceRefused
        text = str(error) or "no message"
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        what = f"{_place(error, self.runtime.folder)}: {type(error).__name__}: {shown.rstrip('.')}."
        return kind(what, where=self._where, do="The traceback is in the log of the run.")


def wanted(function: Callable[..., Any], offered: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """The offered arguments that a function names. Raises SourceMisread for a function that cannot be called so."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise caller.misread(f"the function '{function.__name__}' is async.", "Call asyncio.run inside a plain one.")
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            return dict(offered)
        if name in offered and parameter.kind in _NAMED:
            given[name] = offered[name]
        elif parameter.default is parameter.empty and parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            what = f"nothing is known for the parameter '{name}' of the function."
            raise caller.misread(what, f"Bief can give it {', '.join(offered)}, by these names.")
    return given


class _RunLog(logging.Handler):
    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and not record.exc_info:
            self._caller.warn(record.getMessage())
            return
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        said = SourceSaid(
            source=self._caller.source, stream=self._caller.stream, message=record.getMessage(), trace=trace
        )
        self._caller.runtime.emit(said)


def _place(error: BaseException, folder: Path) -> str:
    """The innermost line of the project's own code that an error went through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename, folder)}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder.resolve())]
    frame = (own or list(frames))[-1]
    return f"{_relative(frame.filename, folder)}, line {frame.lineno}, in {frame.name}"


def _relative(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path.relative_to(folder.resolve())) if path.is_relative_to(folder.resolve()) else path.name


class _Diversion:
    """While any function of a source runs, what is printed goes to stderr: stdout belongs to the answer of Bief."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._stdout: TextIO | None = None

    @contextmanager
    def on(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._stdout, sys.stdout = sys.stdout, sys.stderr
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0 and self._stdout is not None:
                    sys.stdout, self._stdout = self._stdout, None


printing_to_stderr: Final = _Diversion().on
