"""PostgreSQL as a source through the whole road: connections that die, tables without a key, hidden columns."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading

import psycopg
import pytest
from postgres_server import execute

from bief import Project
from bief.errors import BiefError
from bief.sources.database import postgres_session

ROWS = 3000
PROJECT = """
project: road
sources:
  shop:
    type: postgres
    url: ${SHOP_URL}
    max_attempts: 50
    streams:
      orders: OPTIONS
destinations:
  warehouse: {type: sqlite, path: warehouse.db}
pipelines:
  orders: {source: shop, destination: warehouse, mode: MODE}
"""


@pytest.fixture
def road(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_URL", postgres_url)

    def run(mode, **options):
        text = PROJECT.replace("OPTIONS", json.dumps(options)).replace("MODE", mode)
        (tmp_path / "bief.yaml").write_text(text)
        project = Project.load(tmp_path)
        try:
            return project.run("orders")
        finally:
            project.close()

    def loaded(columns):
        with contextlib.closing(sqlite3.connect(tmp_path / "warehouse.db")) as connection:
            return sorted(connection.execute(f"SELECT {columns} FROM orders").fetchall())

    run.loaded = loaded
    return run


class Killer(threading.Thread):
    """Ends the connections of the source, again and again, at random moments."""

    def __init__(self, url, seed):
        super().__init__(daemon=True)
        self.url, self.chance, self.ended, self.killed = url, random.Random(seed), threading.Event(), 0

    def run(self):
        database = self.url.split("/")[3].split("?")[0]
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.ended.wait(self.chance.uniform(0.02, 0.3)):
                self.killed += len(
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = %s AND application_name LIKE 'bief source%%' AND xact_start IS NOT NULL",
                        (database,),
                    ).fetchall()
                )

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


@pytest.mark.parametrize(("mode", "parallel"), [("append", 1), ("replace", 1), ("merge", 3)])
def test_f25_connections_that_die_lose_and_repeat_nothing(road, postgres_url, monkeypatch, mode, parallel):
    execute(
        postgres_url,
        "CREATE TABLE orders (id int PRIMARY KEY, note text)",
        f"INSERT INTO orders SELECT n, repeat('x', 2000) || n FROM generate_series(1, {ROWS}) AS n",
        "ANALYZE orders",
    )
    # The server has to wait for us, so that there is something to break off.
    monkeypatch.setattr(postgres_session, "_BATCH_BYTES", 50_000)
    with Killer(postgres_url, seed=len(mode)) as killer:
        receipt = road(mode, primary_key="id", batch_rows=20, parallel=parallel)

    assert receipt.verdict == "success", receipt.steps[0].error
    assert road.loaded("id, note") == [(n, "x" * 2000 + str(n)) for n in range(1, ROWS + 1)]
    assert receipt.steps[0].read == ROWS
    assert killer.killed


def test_f25_without_a_key_all_is_forgotten_and_read_again(road, postgres_url, monkeypatch):
    execute(
        postgres_url,
        "CREATE TABLE orders (id int, note text)",
        f"INSERT INTO orders SELECT n % 10, repeat('x', 2000) FROM generate_series(1, {ROWS}) AS n",
    )
    monkeypatch.setattr(postgres_session, "_BATCH_BYTES", 50_000)
    killed = []
    batches = postgres_session.PostgresSession.batches

    def dying(session, selection):
        for number, batch in enumerate(batches(session, selection)):
            if number == 40 and len(killed) < 2:
                killed.append(True)
                terminate(postgres_url)
            yield batch

    monkeypatch.setattr(postgres_session.PostgresSession, "batches", dying)
    receipt = road("append", batch_rows=20)

    assert receipt.verdict == "success", receipt.steps[0].error
    assert len(killed) == 2
    # Ten rows, each of them as often as in the source.
    assert road.loaded("id, count(*) OVER (PARTITION BY id)") == [
        (n, ROWS // 10) for n in range(10) for _ in range(ROWS // 10)
    ]


def terminate(url):
    database = url.split("/")[3].split("?")[0]
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database}' AND application_name LIKE 'bief source%'",
    )


def test_98_twins_stay_in_append_and_merge_without_a_key_is_refused(road, postgres_url):
    execute(postgres_url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (1), (2)")
    assert road("append").verdict == "success"
    assert road.loaded("id") == [(1,), (1,), (2,)]
    with pytest.raises(BiefError, match="primary_key"):
        road("merge")


def test_a_column_without_values_is_there_and_a_hidden_one_is_not(road, postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE orders (id int PRIMARY KEY, nothing numeric(9,2), secret text, mail text)",
        "INSERT INTO orders VALUES (1, NULL, 's3cr3t', 'ada@example.com')",
    )
    receipt = road("merge", primary_key="id", columns={"secret": "drop", "mail": {"mask": "email"}})

    assert receipt.steps[0].loaded == 1
    assert road.loaded("*, count(*) OVER ()")[0][:3] == (1, None, "a***@example.com")
    assert road.loaded("count(*)") == [(1,)]


def test_rows_that_no_type_holds_are_in_the_quarantine_and_the_others_loaded(road, postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE orders (id int PRIMARY KEY, at timestamptz)",
        "INSERT INTO orders VALUES (1, now()), (2, 'infinity'), (3, now())",
    )
    step = road("merge", primary_key="id").steps[0]

    assert (step.read, step.loaded, step.rejected) == (3, 2, 1)
    assert road.loaded("id") == [(1,), (3,)]
