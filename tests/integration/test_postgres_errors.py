"""What a user reads when PostgreSQL says no: what happened, what to do, and never the password."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pyarrow as pa
import pytest
from places import SCHEMA, load, place_of, table, target
from postgres_proxy import PostgresProxy
from postgres_server import execute

from bief.batches.schema import INTEGER, TEXT
from bief.destinations.postgres import PostgresDestination, PostgresOptions
from bief.errors import DestinationRefused, DestinationUnavailable
from bief.ports.runtime import Runtime

PASSWORD = "s3cr3t-p%40ss"


OPENED: list[PostgresDestination] = []


@pytest.fixture(autouse=True)
def closed():
    """Every destination of a test is closed at its end."""
    yield
    while OPENED:
        OPENED.pop().close()


def destination(url: str, folder: Path, **options) -> PostgresDestination:
    made = PostgresDestination(
        "warehouse", PostgresOptions(type="postgres", url=url, **options), Runtime(folder=folder)
    )
    OPENED.append(made)
    return made


def test_nobody_answers(tmp_path):
    away = destination(f"postgresql://loader:{PASSWORD}@127.0.0.1:1/shop", tmp_path, connect_timeout_seconds=2)
    for ask in (away.check, away.prepare, lambda: away.query("SELECT 1"), lambda: away.state("p", "s", "t")):
        with pytest.raises(DestinationUnavailable, match="Check that the server runs") as refused:
            ask()
        assert "s3cr3t" not in str(refused.value)
        assert str(refused.value).startswith("warehouse: ")


def test_the_database_is_not_there(postgres_url, tmp_path):
    database = postgres_url.split("/")[3].split("?")[0]
    with pytest.raises(DestinationRefused, match="Create the database") as refused:
        destination(postgres_url.replace(database, "no_such_one"), tmp_path).check()
    assert "no_such_one" in str(refused.value)


def test_the_user_may_not(postgres_url, tmp_path):
    database = postgres_url.split("/")[3].split("?")[0]
    user = f"reader_{database}"
    execute(postgres_url, f"CREATE ROLE {user} LOGIN")
    proxy = PostgresProxy(postgres_url)
    limited = destination(proxy.url.replace("postgres@", f"{user}@"), tmp_path, schema=SCHEMA)
    try:
        for ask in (limited.check, limited.prepare):
            with pytest.raises(DestinationRefused, match="Grant the user"):
                ask()
    finally:
        limited.close()
        proxy.close()
        execute(postgres_url, f"DROP ROLE {user}")


def test_nul_is_refused_and_nothing_is_written(postgres_url, tmp_path):
    place = place_of("postgres", tmp_path, postgres_url)
    OPENED.append(place.first)
    place.first.prepare()
    schema = pa.schema([("id", INTEGER), ("name", TEXT)])
    with contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader:
        with pytest.raises(DestinationRefused, match="no NUL character"):
            loader.commit(load(table([{"id": 1, "name": "a\x00b"}], schema), 1))
        assert place.count("_bief_loads") == 0
        loader.commit(load(table([{"id": 1, "name": "ab"}], schema), 1, complete=True))
    assert place.count("orders") == 1


def test_a_lock_held_by_somebody_else_is_waited_for_and_then_reported(postgres_url, tmp_path):
    patient = destination(postgres_url, tmp_path, schema=SCHEMA, lock_timeout_seconds=0.3)
    patient.prepare()
    with contextlib.closing(patient.loader(target())) as one:
        rows = table([{"id": 1}], pa.schema([("id", INTEGER)]))
        one.commit(load(rows, 1))
        with patient._server.connect() as other, other.cursor() as cursor:
            other.adbc_connection.set_autocommit(False)
            cursor.execute(f"LOCK TABLE {SCHEMA}.orders")
            second = load(rows, 2, changes=[])
            with pytest.raises(DestinationUnavailable, match="tried again"):
                one.commit(second)
            other.adbc_connection.rollback()
        assert one.commit(second).landed_before is False


def test_a_query_that_takes_too_long_is_stopped(postgres_url, tmp_path):
    with pytest.raises((DestinationRefused, DestinationUnavailable), match="statement timeout"):
        destination(postgres_url, tmp_path, query_timeout_seconds=0.2).query("SELECT pg_sleep(5)")


def test_the_password_is_known_to_the_redactor(tmp_path):
    for url in (f"postgresql://loader:{PASSWORD}@db/shop", "host=db user=loader password='s3cr3t-p@ss' dbname=shop"):
        runtime = Runtime(folder=tmp_path)
        PostgresDestination("warehouse", PostgresOptions(type="postgres", url=url), runtime)
        assert "s3cr3t" not in runtime.redactor.clean(f"cannot use {PASSWORD} or s3cr3t-p@ss in {url}")
