"""Many writers commit out of order while run follows run: in the end no row is missed, and none is there twice.

Each writer has transactions of any length up to `BIEF_LATE_SECONDS`: rows are inserted and changed at their beginning,
in the middle or at the end, some transactions do nothing for long, some are rolled back, some are prepared and
committed by somebody else. The oracle reads the source. The whole proof is 50 writers, 30 s and 300 s:
`BIEF_LATE_WRITERS=50 BIEF_LATE_SECONDS=30 BIEF_LATE_LENGTH=300`; `BIEF_SEED` repeats one.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest
from changing_table import TABLE, preparing_server
from postgres_server import execute, fresh_database

from bief import Project

WRITERS = int(os.environ.get("BIEF_LATE_WRITERS", "50"))
LONGEST = float(os.environ.get("BIEF_LATE_SECONDS", "3"))
LENGTH = float(os.environ.get("BIEF_LATE_LENGTH", "8"))
SEED = int(os.environ.get("BIEF_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
PROJECT = """
project: late
sources:
  shop:
    type: postgres
    url: ${SHOP_URL}
    streams:
      merged: {table: orders, primary_key: id, cursor: updated_at, batch_rows: 500, margin_seconds: 0.2}
      appended: {table: orders, primary_key: id, cursor: updated_at, batch_rows: 500, margin_seconds: 0.2}
destinations:
  warehouse: DESTINATION
pipelines:
  orders:
    source: shop
    destination: warehouse
    streams: {merged: {mode: merge}, appended: {mode: append}}
"""


class Writer(threading.Thread):
    """One application: a transaction after the other, each on rows of its own, until it is told to end."""

    def __init__(self, number, url, ended, prepared):
        super().__init__(name=f"writer-{number}", daemon=True)
        self.number, self.url, self.ended, self.prepared = number, url, ended, prepared
        self.chance = random.Random(SEED * 1000 + number)
        self.next_id = number * 1_000_000
        self.late = self.count = 0
        self.error = None

    def run(self):
        try:
            with psycopg.connect(self.url) as connection:
                while not self.ended.is_set():
                    self.transaction(connection)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.error = error

    def transaction(self, connection):
        # Most are short, as in real life; the long ones overtake everything.
        length = self.chance.choice([0, 0, 0.02, 0.2, LONGEST / 3, LONGEST]) * self.chance.random()
        before = self.chance.choice([0, 1, self.chance.random()]) * length
        connection.execute("SELECT now()")
        self.ended.wait(before)
        for _ in range(self.chance.randrange(1, 4)):
            self.write(connection)
        self.ended.wait(length - before)
        self.late += length > 1
        self.count += 1
        outcome = self.chance.random()
        if outcome < 0.1:
            connection.rollback()
        elif outcome < 0.2 and self.prepared is not None:
            name = f"p{self.number}_{self.count}"
            connection.execute(f"PREPARE TRANSACTION '{name}'")
            connection.commit()
            self.prepared.append(name)
        else:
            connection.commit()

    def write(self, connection):
        first = self.number * 1_000_000
        if self.next_id > first and self.chance.random() < 0.5:
            connection.execute(
                "UPDATE orders SET version = version + 1, updated_at = now() WHERE id = %s",
                (self.chance.randrange(first, self.next_id),),
            )
        else:
            connection.execute("INSERT INTO orders (id, note) VALUES (%s, 'é')", (self.next_id,))
            self.next_id += 1


class Settler(threading.Thread):
    """Commits prepared transactions, a while after they were prepared."""

    def __init__(self, url, ended, names):
        super().__init__(name="settler", daemon=True)
        self.url, self.ended, self.names = url, ended, names
        self.settled = 0

    def run(self):
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.ended.wait(0.3):
                self.settle(connection)

    def settle(self, connection):
        while self.names:
            connection.execute(f"COMMIT PREPARED '{self.names.pop()}'")
            self.settled += 1


@pytest.fixture
def shop(postgres_url):
    execute(postgres_url, TABLE)
    return postgres_url


def ran(folder, url, monkeypatch, destination):
    (folder / "bief.yaml").write_text(PROJECT.replace("DESTINATION", destination))
    monkeypatch.setenv("SHOP_URL", url)

    def run():
        project = Project.load(folder)
        try:
            receipt = project.run("orders")
        finally:
            project.close()
        assert receipt.verdict == "success", receipt
        return {step.stream: step for step in receipt.steps}

    return run


def followed(url, run, *, prepared=None):
    """Runs while writers write, then one quiet run; gives the writers, and how many runs read a row again."""
    ended, settled = threading.Event(), threading.Event()
    writers = [Writer(number, url, ended, prepared) for number in range(WRITERS)]
    settler = Settler(url, settled, prepared) if prepared is not None else None
    for thread in [*writers, *([settler] if settler else [])]:
        thread.start()
    again = 0
    until = time.monotonic() + LENGTH
    while time.monotonic() < until:
        again += run()["appended"].deduplicated > 0
    ended.set()
    for writer in writers:
        writer.join(60)
    settled.set()
    if settler is not None:
        settler.join(60)
        with psycopg.connect(url, autocommit=True) as connection:
            settler.settle(connection)
    assert [writer.error for writer in writers if writer.error] == []
    run()
    return writers, again


def source_rows(url):
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT id, version, note, updated_at FROM orders").fetchall()
    return {row[0]: row for row in found}


def differences(source, merged, appended):
    """What the tables have wrong: `merged` has each row once, `appended` also versions that were seen before."""
    wrong = []
    ids = [row[0] for row in merged]
    wrong += [f"{each} is there twice" for each in ids if ids.count(each) > 1] if len(set(ids)) < len(ids) else []
    wrong += [f"{each} was missed" for each in source.keys() - set(ids)]
    wrong += [f"{row[0]} is {row}, not {source.get(row[0])}" for row in merged if source.get(row[0]) != row]
    versions = {(row[0], row[3]): row for row in appended}
    if len(versions) < len(appended):
        wrong.append(f"{len(appended) - len(versions)} versions were appended twice")
    wrong += [f"{row} was not appended" for row in source.values() if versions.get((row[0], row[3])) != row]
    return wrong


def in_sqlite(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT id, version, note, updated_at FROM {table}").fetchall()
    return [(*row[:3], datetime.fromisoformat(row[3])) for row in rows]


def in_postgres(url, table):
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT id, version, note, updated_at FROM loaded.{table}").fetchall()


def told(writers, again):
    late = sum(writer.late for writer in writers)
    print(f"seed {SEED}: {WRITERS} writers, {late} transactions longer than 1 s, {again} runs read rows again")  # noqa: T201
    return late


def test_f24_no_commit_is_too_late_for_sqlite(shop, tmp_path, monkeypatch):
    run = ran(tmp_path, shop, monkeypatch, "{type: sqlite, path: warehouse.db}")
    writers, again = followed(shop, run)
    tables = [in_sqlite(tmp_path / "warehouse.db", table) for table in ("merged", "appended")]

    assert differences(source_rows(shop), *tables)[:5] == []
    assert told(writers, again)
    assert again, "no run read a row again: the test proved little"


def test_f24_no_commit_is_too_late_for_postgres_with_prepared_transactions(tmp_path, monkeypatch):
    with preparing_server() as shop, fresh_database(shop) as warehouse:
        execute(shop, TABLE)
        run = ran(tmp_path, shop, monkeypatch, f'{{type: postgres, url: "{warehouse}", schema: loaded}}')
        prepared: list[str] = []
        writers, again = followed(shop, run, prepared=prepared)
        tables = [in_postgres(warehouse, table) for table in ("merged", "appended")]

        assert differences(source_rows(shop), *tables)[:5] == []
        assert told(writers, again)
        assert again


def test_the_oracle_sees_a_missed_a_doubled_and_a_changed_row():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    one, two = (1, 0, "é", moment), (2, 0, "é", moment)
    source = {1: one, 2: two}

    assert differences(source, [one, two], [one, two]) == []
    assert differences(source, [one], [one, two]) == ["2 was missed"]
    assert "2 is there twice" in differences(source, [one, two, two], [one, two])
    assert differences(source, [one, (2, 1, "é", moment)], [one, two])[0].startswith("2 is (2, 1")
    assert differences(source, [one, two], [one, two, two]) == ["1 versions were appended twice"]
    assert differences(source, [one, two], [one])[0].endswith("was not appended")
