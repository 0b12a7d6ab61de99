"""A command is measured with all that it starts, and its failure is told."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from suite.measuring import Command, CommandFailed, measured

HOLD_100_MB = "b = bytearray(100_000_000)\nfor i in range(0, len(b), 4096): b[i] = 1\nimport time; time.sleep(0.3)"


def python(*lines):
    return Command([sys.executable, "-c", "\n".join(lines)])


def test_memory_of_a_process_and_of_those_that_it_starts_is_added_up():
    alone = measured(python(HOLD_100_MB)).peak_bytes
    starts = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {HOLD_100_MB!r}])"
    together = measured(python(starts, HOLD_100_MB, "p.wait()")).peak_bytes
    assert 100_000_000 < alone < 150_000_000
    assert 200_000_000 < together < 300_000_000


def test_memory_that_two_processes_share_counts_once():
    forks = f"import os, time\n{HOLD_100_MB}\nif os.fork() == 0: time.sleep(0.3); os._exit(0)\nos.wait()"
    assert 100_000_000 < measured(python(forks)).peak_bytes < 160_000_000


def test_seconds_are_those_of_the_clock_and_the_output_is_kept():
    run = measured(python("import time; time.sleep(0.4); print('done')"))
    assert run.seconds >= 0.4
    assert run.processor_seconds < 0.4
    assert run.output == "done\n"


def test_a_failure_has_the_last_words_of_the_program():
    with pytest.raises(CommandFailed, match=r"exit code 3: it broke$"):
        measured(python("import sys; print('first'); print('\\x1b[31mit broke\\x1b[0m', file=sys.stderr); sys.exit(3)"))


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    note = tmp_path / "pid"
    starts = "import pathlib, subprocess, time; p = subprocess.Popen(['sleep', '60'])"
    tells = f"pathlib.Path({str(note)!r}).write_text(str(p.pid))"
    with pytest.raises(CommandFailed, match="took longer than 1 s"):
        measured(python(starts, tells, "time.sleep(60)"), timeout_seconds=1)
    state = Path(f"/proc/{note.read_text()}/stat")
    # It may need a moment to die, and wait for its new parent to notice.
    deadline = time.monotonic() + 10
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)
