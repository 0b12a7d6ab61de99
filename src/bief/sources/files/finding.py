"""Which files a stream has now, in the order in which they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bief.errors import SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.files.options import FilesStream
from bief.storage.stored import Storage, StoredFile

# A file that is written to for longer than so many times the time asked for is no file that will be finished soon.
_MOST_WAITS: Final = 10
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


class Finder:
    """Finds the files of one stream. `where` is the place that they are in, for messages."""

    def __init__(
        self, storage: Storage, options: FilesStream, where: str, runtime: Runtime, warn: Callable[[str], None]
    ) -> None:
        self._storage = storage
        self._options = options
        self._where = where
        self._runtime = runtime
        self._warn = warn

    def found(self) -> list[StoredFile]:
        """The files, none of them younger than `settle_seconds`. Raises SourceError."""
        files = self._storage.find(self._options.files)
        give_up = self._runtime.clock.monotonic() + _MOST_WAITS * self._options.settle_seconds
        while (seconds := self._unsettled(files)) > 0 and not self._runtime.stop.is_set():
            if self._runtime.clock.monotonic() >= give_up:
                raise SourceUnavailable(
                    f"Files are still being written: they did not rest for {self._options.settle_seconds:g} s.",
                    where=self._where,
                    do="Run again later, or declare `tail: true` for JSON lines that never stop growing.",
                )
            self._runtime.stop.wait(seconds)
            files = self._storage.find(self._options.files)
        self._tell_missing(files)
        if self._options.order == "modified":
            return sorted(files, key=lambda file: (file.modified or _LONG_AGO, file.name))
        return files

    def _unsettled(self, files: list[StoredFile]) -> float:
        """Seconds until the youngest file has rested long enough."""
        if not self._options.settle_seconds:
            return 0.0
        now, wanted = self._runtime.clock.now(), timedelta(seconds=self._options.settle_seconds)
        waits = [(file.touched + wanted - now).total_seconds() for file in files if file.touched is not None]
        # A moment in the future, by a clock that is wrong, is no reason to wait for ever.
        return min(max(waits, default=0.0), self._options.settle_seconds)

    def _tell_missing(self, files: list[StoredFile]) -> None:
        if files:
            return
        what = f"There is no file that matches {' or '.join(self._options.files)}."
        if self._options.if_missing == "warn":
            self._warn(f"{self._where}: {what}")
            return
        raise SourceRefused(
            what, where=self._where, do="Check `path` and `files`, or declare `if_missing: warn` if that is normal."
        )
