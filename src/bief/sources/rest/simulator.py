"""A program of the project that plays the API, so that an example runs without an account and without a network.

Started by `RestSource` on first use, when `base_url` is empty. It ends when its input ends: so also when this process
is killed and can say nothing any more.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Final

from bief.errors import SourceUnavailable
from bief.http.places import printable

_READY: Final = re.compile(r"ready (http://127\.0\.0\.1:\d{1,5})\s*")
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_SHOWN_CHARACTERS: Final = 500


class Simulator:
    """One running script."""

    def __init__(self, source: str, script: str, folder: Path) -> None:
        self._source = source
        self._script = script
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def url(self) -> str:
        """Where it listens; it is started now if it has not been. Raises SourceUnavailable."""
        with self._lock:
            if self._process is None:
                self._url = self._started()
            return self._url

    def close(self) -> None:
        """End it. Can be called twice."""
        with self._lock:
            process, self._process = self._process, None
            self._url = ""
        if process is not None:
            _end(process)

    def _started(self) -> str:
        path = self._folder / self._script
        if not path.is_file():
            raise self._problem(f"There is no simulator at {self._script}.")
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(  # noqa: S603 - a script of the user's own project
                [sys.executable, str(path), "--port", "0"],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            url = _ready_url(process)
            if url:
                self._process = process
                return url
            _end(process)
            errors.seek(0)
            said = printable(errors.read()[-_SHOWN_CHARACTERS:]).replace("\\n", " ").strip()
        raise self._problem(f"The simulator {self._script} did not get ready: {said or 'it said nothing'}.")

    def _problem(self, what: str) -> SourceUnavailable:
        return SourceUnavailable(
            what,
            where=self._source,
            do=f"Set `base_url` of source '{self._source}' in bief.yaml to use the API itself, or mend the simulator.",
        )


def _ready_url(process: subprocess.Popen[str]) -> str:
    """The address in the first line that the script writes; empty if it ends or takes too long."""
    lines: queue.Queue[str] = queue.Queue()

    def read(output: IO[str]) -> None:
        # To the end, so that a script that goes on writing is never blocked by a full pipe.
        for line in output:
            lines.put(line)
        lines.put("")

    if process.stdout is None:
        return ""
    threading.Thread(target=read, args=(process.stdout,), name="bief-simulator", daemon=True).start()
    try:
        match = _READY.fullmatch(lines.get(timeout=_START_SECONDS))
    except queue.Empty:
        return ""
    return match[1] if match else ""


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_END_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
