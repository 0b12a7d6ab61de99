"""The embedded control store: an SQLite file. See `state.database`."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bief.sql.sqlite.wal import use_write_ahead_log
from bief.state.database import DatabaseFailed, Transaction, as_rows

_BUSY_TIMEOUT_SECONDS: Final = 30
_SETTINGS: Final = ("synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_SECONDS * 1000}", "foreign_keys=ON")


class SqliteDatabase:
    """One connection, which the threads of this process take turns with."""

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path) -> None:
        self.shown = str(path)
        self._path = path
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._turn, _failing():
            connection = self._open()
            # Reading first and writing later in one transaction fails in WAL mode when somebody wrote in between.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def has_table(self, transaction: Transaction, name: str) -> bool:
        return bool(transaction.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name", name=name))

    def lock(self, transaction: Transaction) -> None:
        """Nothing: a transaction of SQLite has the file for itself."""

    def close(self) -> None:
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                use_write_ahead_log(connection, _BUSY_TIMEOUT_SECONDS)
                for setting in _SETTINGS:
                    connection.execute(f"PRAGMA {setting}")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        cursor = self._connection.execute(sql, _stored(values))
        return as_rows([column[0] for column in cursor.description or ()], cursor.fetchall())

    def write(self, sql: str, **values: Any) -> int:
        return self._connection.execute(sql, _stored(values)).rowcount


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """Times as texts in UTC, all of one length, so that they sort as times do."""
    return {
        name: value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
        for name, value in values.items()
    }


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseFailed(str(error)) from error
