"""SIGKILL at random moments of a real run, then again, then to the end: nothing lost, nothing twice.

The whole product runs as a process: command line, REST source, guard, destination, control store. The oracle asks the
same server for the truth. `BIEF_KILLS`, `BIEF_KILL_RECORDS` and `BIEF_SEED` make it longer or repeat it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import date, datetime
from decimal import Decimal

import duckdb
import psycopg
import pytest
import simulators

KILLS = int(os.environ.get("BIEF_KILLS", "4"))
RECORDS = int(os.environ.get("BIEF_KILL_RECORDS", "12000"))
# The API takes its time, so that most of a run is extraction.
LATENCY_MS = int(os.environ.get("BIEF_KILL_LATENCY_MS", "40"))
SEED = int(os.environ.get("BIEF_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
# One mode each: append shows a row that lands twice, replace a table that is torn, merge and history the rest. Appended
# is what is new since the last round: a stream that was complete when the run was killed begins another one.
MODES = {"ledger_entries": "append", "customer_invoices": "merge", "transactions": "replace", "customers": "history"}
PROJECT = """
project: kills
sources:
  pennylane:
    type: rest
    base_url: ${PENNYLANE_BASE_URL}
    auth: {type: bearer, token: demo}
    pagination:
      {type: cursor, next_cursor: next_cursor, has_more: has_more, cursor_param: cursor, size_param: limit, size: 100}
    records: items
    streams:
      ledger_entries:
        path: /ledger_entries
        primary_key: id
        batch_rows: 500
        incremental: {cursor: id, filter: {filter: '[{"field":"id","operator":"gteq","value":$cursor}]'}}
      customer_invoices:
        {path: /customer_invoices, primary_key: id, batch_rows: 500, columns: {amount: "decimal(18,2)"}}
      transactions: {path: /transactions, primary_key: id, batch_rows: 500}
      customers: {path: /customers, primary_key: id, batch_rows: 500}
destinations:
  warehouse: DESTINATION
pipelines:
  pennylane:
    source: pennylane
    destination: warehouse
    streams: STREAMS
"""


class Warehouse:
    """Reads a destination without Bief: `rows` gives a table as a list of dicts."""

    def __init__(self, kind, folder, postgres_url):
        self.kind, self.path, self.url = kind, folder / "warehouse.db", postgres_url

    def declared(self):
        if self.kind == "postgres":
            return f'{{type: postgres, url: "{self.url}", schema: pennylane}}'
        return f"{{type: {self.kind}, path: warehouse.db}}"

    def rows(self, table):
        if self.kind == "postgres":
            with psycopg.connect(self.url) as connection:
                return self._read(connection.execute(f"SELECT * FROM pennylane.{table}"))
        if self.kind == "duckdb":
            with duckdb.connect(str(self.path), read_only=True) as connection:
                # By Arrow: DuckDB's own conversion of times wants another library.
                return connection.execute(f"SELECT * FROM {table}").to_arrow_table().to_pylist()

        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return self._read(connection.execute(f"SELECT * FROM {table}"))
        finally:
            connection.close()

    def _read(self, cursor):
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def warehouse(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Warehouse(request.param, tmp_path, url)


def start(folder, base_url):
    environment = {**os.environ, "PENNYLANE_BASE_URL": base_url}
    command = [sys.executable, "-m", "bief", "run", "--json", "-C", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def timed(folder, base_url):
    """How long an undisturbed run takes."""
    began = time.monotonic()
    finish(start(folder, base_url))
    return time.monotonic() - began


def finish(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    return json.loads(output)


def flat(record, prefix=""):
    """The record as the table should have it: nested objects flattened, lists as they are."""
    found = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}__")
        else:
            found[prefix + name] = value
    return found


def same(expected, stored):
    """Whether a stored value is the one the API gave, whatever type the destination keeps it in."""
    if expected is None or stored is None:
        return expected is stored
    if isinstance(expected, list):
        return expected == (json.loads(stored) if isinstance(stored, str) else stored)
    if isinstance(stored, datetime):
        return datetime.fromisoformat(expected) == stored
    if isinstance(stored, date):
        return date.fromisoformat(expected) == stored
    if isinstance(stored, Decimal):
        return Decimal(str(expected)) == stored
    if isinstance(expected, str) and expected.endswith("Z") and isinstance(stored, str):
        return datetime.fromisoformat(expected) == datetime.fromisoformat(stored)
    return expected == stored


def differences(expected, stored):
    """All that a table has wrong, held against the records of the API."""
    wrong = []
    by_id = {}
    for row in stored:
        if row["id"] in by_id:
            wrong.append(f"id {row['id']} is there twice")
        by_id[row["id"]] = row
    wrong += [f"id {record['id']} is missing" for record in expected if record["id"] not in by_id]
    wrong += [f"id {extra} is too many" for extra in by_id.keys() - {record["id"] for record in expected}]
    for record in expected:
        row = by_id.get(record["id"], {})
        for name, value in flat(record).items():
            if row and not same(value, row.get(name)):
                wrong.append(f"id {record['id']}: {name} is {row.get(name)!r}, not {value!r}")
    return wrong


def test_killed_at_random_moments_and_resumed(warehouse, tmp_path):
    randomness = random.Random(SEED)
    # Shown by pytest when the test fails, and with -s always: what is needed to repeat it.
    print(f"seed {SEED}: {KILLS} kills, {RECORDS} records, {warehouse.kind}")  # noqa: T201
    streams = ", ".join(f"{name}: {{mode: {mode}}}" for name, mode in MODES.items())
    text = PROJECT.replace("DESTINATION", warehouse.declared()).replace("STREAMS", f"{{{streams}}}")
    (tmp_path / "bief.yaml").write_text(text)
    flags = ["--records", RECORDS, "--requests", 0, "--warm", "--latency-ms", LATENCY_MS]
    with simulators.running("accounting", *flags) as api:
        truth = {stream: api.every(f"/{stream}", limit=100) for stream in MODES}
        length = timed(tmp_path, api.url)
        forget(warehouse, tmp_path)
        killed = bitten = 0
        while bitten < KILLS and killed < KILLS * 10:
            process = start(tmp_path, api.url)
            try:
                # The first third of a run is the start of the interpreter, in which there is nothing to lose.
                process.wait(randomness.uniform(0.35 * length, 0.95 * length))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
                bitten += cut_off(warehouse)
            else:
                finish(process)
                forget(warehouse, tmp_path)
        left_open = cut_off(warehouse)
        receipt = finish(start(tmp_path, api.url))

    assert bitten == KILLS, f"only {bitten} of {killed} kills fell into an extraction: the test proved little"
    assert any(step["resumed"] for step in receipt["steps"]) == left_open
    for stream, expected in truth.items():
        assert differences(expected, warehouse.rows(stream))[:5] == []
    ledger = warehouse.rows("_bief_loads")
    assert len({load["batch_id"] for load in ledger}) == len(ledger)
    for load in ledger:
        told_apart = load["rows_loaded"] + load["rows_rejected"] + load["rows_deduplicated"] + load["rows_superseded"]
        assert load["rows_read"] == told_apart
    appended = sum(load["rows_loaded"] for load in ledger if load["stream"] == "ledger_entries")
    assert appended == len(truth["ledger_entries"])
    assert all(state["complete"] for state in warehouse.rows("_bief_state"))
    crashed = [run for run in history(tmp_path) if run["state"] == "crashed"]
    assert len(crashed) <= killed


def cut_off(warehouse):
    """Whether some stream was left in the middle of its round: the proof that a kill bit."""
    try:
        states = warehouse.rows("_bief_state")
    except (sqlite3.OperationalError, duckdb.Error, psycopg.errors.UndefinedTable):
        return False  # killed before the first table was made
    return any(state["position"] is not None and not state["complete"] for state in states)


def forget(warehouse, folder):
    """Start from nothing again: the last run came to its end before it could be killed."""
    if warehouse.kind == "postgres":
        with psycopg.connect(warehouse.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA pennylane CASCADE")
    for path in folder.glob("warehouse.db*"):
        path.unlink()


def history(folder):
    command = [sys.executable, "-m", "bief", "runs", "-n", "1000", "--json", "-C", str(folder)]
    environment = {**os.environ, "PENNYLANE_BASE_URL": "http://127.0.0.1:9"}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)


def test_the_oracle_sees_a_lost_a_doubled_and_a_changed_row():
    expected = [{"id": 1, "a": {"b": "x"}}, {"id": 2, "a": {"b": "y"}}]
    right = [{"id": 1, "a__b": "x"}, {"id": 2, "a__b": "y"}]

    assert differences(expected, right) == []
    assert differences(expected, right[:1]) == ["id 2 is missing"]
    assert differences(expected, [*right, right[0]]) == ["id 1 is there twice"]
    assert differences(expected, [*right, {"id": 3, "a__b": "z"}]) == ["id 3 is too many"]
    assert differences(expected, [right[0], {"id": 2, "a__b": "z"}]) == ["id 2: a__b is 'z', not 'y'"]
