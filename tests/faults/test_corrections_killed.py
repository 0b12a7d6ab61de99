"""SIGKILL at every point of a replay and of a rollback, on every destination: a row is in one place, and only there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import correction_worker
import pytest
from correction_worker import Corrections, records
from places import PLACES, place_of

from bief.base.failpoints import POINTS

SUPPORT = Path(correction_worker.__file__).parent
# What a replay does otherwise than any load is tried each time; its other points are marked slow.
_QUICK = ("load.after_claim", "load.after_rows", "load.after_release", "load.before_commit", "load.after_commit")


def _cases(quick: tuple[str, ...], *beginnings: str) -> list[Any]:
    """All points that begin like this."""
    points = [point for point in POINTS if point.startswith(beginnings)]
    return [point if point.startswith(quick) else pytest.param(point, marks=pytest.mark.slow) for point in points]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    place = place_of(request.param, tmp_path, url)
    yield place
    place.close()


def killed(corrections: Corrections, deed: str, failpoints: str) -> None:
    """Do it in a process of its own, which must die of it."""
    corrections.close()
    place = corrections.place
    path = os.pathsep.join([str(SUPPORT), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "BIEF_FAILPOINTS": failpoints, "PYTHONPATH": path}
    script = str(SUPPORT / "correction_worker.py")
    command = [sys.executable, script, place.kind, place.where, str(place.folder), corrections.mode, deed]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, f"the fault did not bite: {done.stderr}"


@pytest.mark.parametrize("point", _cases(_QUICK, "take_over.", "load."))
def test_a_killed_replay_leaves_each_row_in_one_place(place, point: str):
    corrections = Corrections(place, "append")
    corrections.load(1)
    before = corrections.everywhere()
    position = place.first.state("shop", "orders", "orders").position
    names = {each["note"] for each in records(1)}
    hits = (1, 2) if point in ("load.after_rows", "load.after_release") else (1,)
    for hit in hits:
        killed(corrections, "replay", f"{point}=kill:{hit}")
        table, kept = corrections.everywhere()
        assert max((table + kept).values()) == 1, "a row is in two places"
        assert set(table + kept) == names, "a row is nowhere"
        # All of it or nothing of it: the parts of a replay are one transaction.
        assert ((table, kept) == before) == (point != "load.after_commit")

    if corrections.kept() and point != "load.after_commit":
        corrections.replay()
    table, kept = corrections.everywhere()
    keyless = {each["note"] for each in records(1) if each["id"] is None}
    assert (set(kept), set(table)) == (keyless, names - keyless)
    state = place.first.state("shop", "orders", "orders")
    assert (state.position, state.rows) == (position, len(table))
    runs = place.rows(f"SELECT status FROM {place.table('_bief_steps')}")
    assert "running" not in {row["status"] for row in runs}


@pytest.mark.parametrize("mode", ["history", pytest.param("append", marks=pytest.mark.slow)])
@pytest.mark.parametrize("point", _cases(("take_back.",), "take_over.", "take_back."))
def test_a_killed_rollback_has_happened_or_has_not(place, mode: str, point: str):
    def seen():
        order = "id, v" if mode == "append" else "id, v, valid_from"
        return place.all("orders", order), corrections.everywhere(), place.first.state("shop", "orders", "orders")

    corrections = Corrections(place, mode)
    corrections.load(1)
    without = seen()
    run_id = corrections.load(2)
    with_it = seen()
    assert without != with_it

    killed(corrections, run_id, f"{point}=kill")

    gone = point == "take_back.after_commit"
    assert seen() == (without if gone else with_it)
    if not gone:
        corrections.take_back(run_id)
    assert seen() == without
    corrections.runner.run(corrections.pipeline(), "run-2-again")
    rows, _, state = seen()
    assert [row["note"] for row in rows] == [row["note"] for row in with_it[0]]
    assert (state.position, state.rows) == (with_it[2].position, with_it[2].rows)
