"""SIGKILL at random moments while files are loaded: each file is there once or not at all, and in the end all are.

`BIEF_KILLS`, `BIEF_KILL_RECORDS` and `BIEF_SEED` make it longer or repeat it.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing

import duckdb
import psycopg
import pytest

from projects import ProjectFolder

KILLS = int(os.environ.get("BIEF_KILLS", "3"))
ROWS = int(os.environ.get("BIEF_KILL_RECORDS", "12000")) * 5
SEED = int(os.environ.get("BIEF_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
FILES = 6
PROJECT = """
project: kills
sources:
  exports:
    type: files
    path: data
    streams:
      orders: {files: "orders-*.csv", primary_key: id}
destinations:
  warehouse: DESTINATION
pipelines:
  load: {source: exports, destination: warehouse, mode: MODE}
"""
PER_FILE = "SELECT file, count(*), count(DISTINCT id), sum(id) FROM {table} GROUP BY file ORDER BY file"


def write_files(folder) -> dict[int, tuple[int, int]]:
    """The files, and for each its number of rows and the sum of their ids."""
    truth = {}
    for number in range(FILES):
        ids = range(number * ROWS, (number + 1) * ROWS)
        lines = [f"{i},{number},name {i},{i / 4}\n" for i in ids]
        (folder / f"orders-{number}.csv").write_text("id,file,name,share\n" + "".join(lines), encoding="utf-8")
        truth[number] = (ROWS, sum(ids))
    return truth


class Warehouse:
    """Reads the table without Bief."""

    def __init__(self, kind, folder, url):
        self.kind, self.path, self.url = kind, folder / "warehouse.db", url

    @property
    def declared(self):
        if self.kind == "postgres":
            return f'{{type: postgres, url: "{self.url}", schema: kills}}'
        return f"{{type: {self.kind}, path: warehouse.db}}"

    def per_file(self):
        try:
            return [tuple(map(int, row)) for row in self._ask()]
        except (psycopg.errors.UndefinedTable, duckdb.CatalogException, duckdb.IOException, sqlite3.OperationalError):
            return []

    def _ask(self):
        if self.kind == "postgres":
            with psycopg.connect(self.url) as connection:
                return connection.execute(PER_FILE.format(table="kills.orders")).fetchall()
        if self.kind == "duckdb":
            with duckdb.connect(str(self.path), read_only=True) as connection:
                return connection.execute(PER_FILE.format(table="orders")).fetchall()
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(PER_FILE.format(table="orders")).fetchall()


def wait_for_the_stream(folder, run, before) -> None:
    """Until the newest log says that the stream has begun: only then can a kill cut it."""
    while run.poll() is None:
        if any("StreamStarted" in log.read_text() for log in set(folder.glob(".bief/logs/*")) - before):
            return
        time.sleep(0.01)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize("kind", ["postgres", "sqlite", "duckdb"])
def test_killed_while_files_are_loaded(kind, mode, tmp_path, request):
    chance = random.Random(SEED)
    folder = tmp_path / "kills"
    (folder / "data").mkdir(parents=True)
    truth = write_files(folder / "data")
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    warehouse = Warehouse(kind, folder, url)
    (folder / "bief.yaml").write_text(
        PROJECT.replace("DESTINATION", warehouse.declared).replace("MODE", mode), encoding="utf-8"
    )
    project = ProjectFolder(folder)
    cut = 0
    for _ in range(KILLS * 4):
        before = set(folder.glob(".bief/logs/*"))
        run = project.start("run", "--json")
        wait_for_the_stream(folder, run, before)
        time.sleep(chance.uniform(0, 0.4))
        killed = run.poll() is None
        run.kill()
        run.communicate()
        seen = warehouse.per_file()
        assert all(
            (rows, distinct, total) == (truth[number][0], *truth[number]) for number, rows, distinct, total in seen
        )
        cut += killed and len(seen) < FILES
        if cut == KILLS or len(seen) == FILES:
            break
    assert cut, f"no kill fell into the loading: the fault did not bite (seed {SEED})"
    project.run()
    assert warehouse.per_file() == [(number, rows, rows, total) for number, (rows, total) in truth.items()]
    project.run()
    assert warehouse.per_file() == [(number, rows, rows, total) for number, (rows, total) in truth.items()]
