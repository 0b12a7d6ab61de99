"""One command as a whole process: seconds, processor time, and peak memory of its process tree.

Memory is read every 20 ms from /proc: the resident size of each process, which costs microseconds, and where the sum
of these is higher than ever, the proportional size (PSS), which counts a page that several processes share once. PSS
takes the kernel milliseconds, during which the measured process may wait, so it is not read all the time.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_INTERVAL_SECONDS = 0.02
_STEP_BYTES = 2 << 20
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


class CommandFailed(Exception):
    """A command ended with an error, or took too long. The text has the end of what it said."""


@dataclass(frozen=True)
class Command:
    """What is run: arguments, more environment variables, the folder to run in."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What one run took. `peak_bytes` is PSS of the whole tree; `output` is its standard output."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    output: str


def measured(command: Command, timeout_seconds: float = 3600) -> Measured:
    """Runs a command and waits for its end. Raises CommandFailed."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        before = time.perf_counter()
        process = subprocess.Popen(
            list(command.arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **command.environment},
            cwd=command.folder,
            start_new_session=True,
        )
        watch = _Watch(process.pid, timeout_seconds)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.end()
        output.seek(0)
        errors.seek(0)
        said = output.read().decode(errors="replace")
        if process.returncode:
            why = f"took longer than {timeout_seconds:.0f} s" if watch.is_late else f"exit code {process.returncode}"
            raise CommandFailed(f"{why}: {_end_of(errors.read().decode(errors='replace') or said)}")
        return Measured(seconds, usage.ru_utime + usage.ru_stime, watch.peak_bytes, said)


def _end_of(text: str, most: int = 250) -> str:
    """The last line that is no decoration, which is where programs say what went wrong."""
    plain = _COLOURS.sub("", text)
    lines = [line.strip() for line in plain.splitlines() if any(map(str.isalnum, line))]
    return lines[-1][:most] if lines else "it said nothing"


class _Watch(threading.Thread):
    """Looks at a process and its descendants until it ends; stops all of them when the time is up."""

    def __init__(self, process_id: int, timeout_seconds: float) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self.is_late = False
        self._process_id = process_id
        self._deadline = time.monotonic() + timeout_seconds
        self._highest = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            self._look()
            if time.monotonic() > self._deadline and not self.is_late:
                self.is_late = True
                os.killpg(self._process_id, signal.SIGKILL)
            self._ended.wait(_INTERVAL_SECONDS)

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _look(self) -> None:
        tree = _tree(self._process_id)
        resident = sum(map(_resident_bytes, tree))
        if resident > self._highest + _STEP_BYTES or not self.peak_bytes:
            self._highest = max(resident, self._highest)
            self.peak_bytes = max(self.peak_bytes, sum(map(_proportional_bytes, tree)))


def _tree(process_id: int) -> list[int]:
    """The process and all its descendants, as far as they are still alive."""
    found = [process_id]
    for parent in found:
        try:
            threads = os.listdir(f"/proc/{parent}/task")  # noqa: PTH208 - fifty times a second
        except OSError:
            continue
        for thread in threads:
            found.extend(map(int, _read(f"/proc/{parent}/task/{thread}/children").split()))
    return found


def _resident_bytes(process_id: int) -> int:
    columns = _read(f"/proc/{process_id}/statm").split()
    return int(columns[1]) * _PAGE_BYTES if columns else 0


def _proportional_bytes(process_id: int) -> int:
    for line in _read(f"/proc/{process_id}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    """The text of a file in /proc, or nothing if its process has ended."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - the same
            return file.read()
    except OSError:
        return ""
