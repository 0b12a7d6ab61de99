"""SIGKILL at every named failpoint, on every destination: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import load_worker
import pytest
from places import PLACES, place_of

from bief.base.failpoints import POINTS

SUPPORT = Path(load_worker.__file__).parent
# Replace mode differs where it makes and publishes its staging table; its other points are marked slow.
_OTHER_IN_REPLACE = ("load.after_ddl", "load.after_publish", "load.before_commit", "load.after_commit")
_ALL_BUT_THE_ID = (
    "load_id, ordinal, run_id, pipeline, stream, table_name, origin, rule, column_name, reason, raw, rejected_at"
)
_BEFORE_FAIL = [point for point in POINTS if not point.startswith(("fail.", "take_back."))]
CASES = [
    *((point, "merge") for point in _BEFORE_FAIL),
    *((point, "replace") for point in _OTHER_IN_REPLACE),
    *(
        pytest.param(point, "replace", marks=pytest.mark.slow)
        for point in _BEFORE_FAIL
        if point not in _OTHER_IN_REPLACE
    ),
]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    place = place_of(request.param, tmp_path, url)
    yield place
    place.close()


def run(place, mode: str, run_id: str, failpoints: str = "") -> int:
    """One run in a process of its own; its exit code."""
    path = os.pathsep.join([str(SUPPORT), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "BIEF_FAILPOINTS": failpoints, "PYTHONPATH": path}
    command = [
        sys.executable,
        str(SUPPORT / "load_worker.py"),
        place.kind,
        place.where,
        str(place.folder),
        mode,
        run_id,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize(("point", "mode"), CASES)
def test_killed_at_a_failpoint(place, point: str, mode: str):
    hits = (1, 3, load_worker.STEPS) if point in ("load.before_commit", "load.after_commit") else (1,)
    for hit in hits:
        killed = run(place, mode, f"killed-{hit}", f"{point}=kill:{hit}")
        if hit == 1:
            assert killed == -signal.SIGKILL, "the fault did not bite"
    assert run(place, mode, "last") == 0
    assert load_worker.faults_in(place, mode) == []


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("fail.")])
def test_killed_while_saying_that_it_failed(place, point: str):
    assert run(place, "merge", "failing", f"{point}=kill") == -signal.SIGKILL
    assert load_worker.faults_in_rows(place, "merge") == []
    assert run(place, "merge", "failing") == 0
    logs = place.rows(f"SELECT status FROM {place.table('etl_logs')} WHERE table_name = 'other'")
    assert [row["status"] for row in logs] == ["failed"]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM {orders} WHERE id = 30",
        "INSERT INTO {orders} (id, name) VALUES (1000, 'extra')",
        "UPDATE {orders} SET name = 'changed' WHERE id = 30",
        "UPDATE {state} SET position = NULL",
        "UPDATE {state} SET total_rows = total_rows + 1",
        "DELETE FROM {loads} WHERE position = '{{\"step\": 1}}'",
        "UPDATE {loads} SET rows_loaded = rows_loaded + 1",
        "DELETE FROM {quarantine} WHERE origin = 'step 2'",
        f"INSERT INTO {{quarantine}} SELECT 'copy of ' || rejected_id, {_ALL_BUT_THE_ID} FROM {{quarantine}}",
        "UPDATE {steps} SET records_extracted = records_extracted + 1",
        "UPDATE {steps} SET status = 'running'",
    ],
)
def test_the_oracle_sees_every_kind_of_damage(place, damage: str):
    load_worker.work(place, "merge", "run-1")
    assert load_worker.faults_in(place, "merge") == []
    names = {name: place.table(f"_bief_{name}") for name in ("state", "loads", "quarantine", "steps")}
    place.by_hand(damage.format(orders=place.table("orders"), **names))
    assert load_worker.faults_in(place, "merge") != []
