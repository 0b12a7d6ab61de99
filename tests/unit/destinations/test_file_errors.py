"""What a user reads when a file cannot be used."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys

import pytest
from places import place_of, target

from bief.errors import DestinationRefused, DestinationUnavailable

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_a_duckdb_file_that_another_process_has_open(tmp_path):
    place = place_of("duckdb", tmp_path)
    place.first.prepare()
    place.first.close()
    command = [sys.executable, "-c", HOLD, str(tmp_path / place.where)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        for ask in (place.first.check, lambda: place.first.loader(target()), lambda: place.first.query("SELECT 1")):
            with pytest.raises(DestinationUnavailable, match=rf"warehouse\.duckdb.*process {other.pid} ") as refused:
                ask()
            assert "one process" in str(refused.value)
        other.communicate()
    place.first.check()


def test_a_duckdb_query_cannot_read_files(tmp_path):
    place = place_of("duckdb", tmp_path)
    place.first.prepare()
    (tmp_path / "secret.txt").write_text("s3cr3t")
    for sql in ("SELECT * FROM read_text('{}')", "SELECT * FROM '{}'"):
        with pytest.raises(DestinationRefused):
            place.first.query(sql.format(tmp_path / "secret.txt"))
    place.close()


def test_an_sqlite_file_that_somebody_is_writing(tmp_path, monkeypatch):
    monkeypatch.setattr("bief.sql.sqlite.session._BUSY_TIMEOUT_SECONDS", 0.1)
    place = place_of("sqlite", tmp_path)
    place.first.prepare()
    with contextlib.closing(sqlite3.connect(tmp_path / place.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DestinationUnavailable, match="locked"):
            place.first.loader(target())
    place.first.loader(target()).close()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_file_that_is_something_else(tmp_path, kind):
    place = place_of(kind, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / place.where).write_bytes(b"This is no database at all. " * 100)
    for ask in (place.first.check, place.first.prepare):
        with pytest.raises(DestinationRefused, match="warehouse"):
            ask()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_folder_that_cannot_be_made(tmp_path, kind):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DestinationRefused, match="path"):
        place_of(kind, tmp_path).first.prepare()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_query_before_the_first_run(tmp_path, kind):
    with pytest.raises(DestinationRefused, match="Run a pipeline first"):
        place_of(kind, tmp_path).first.query("SELECT 1")
    assert list(tmp_path.iterdir()) == []
