"""The control store of a team: a PostgreSQL database. See `state.database`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from bief.state.database import DatabaseFailed, Transaction, as_rows

_CONNECT_TIMEOUT_SECONDS: Final = 10
_VALUE: Final = re.compile(r"(?<!:):([a-z_]+)")


class PostgresDatabase:
    """One connection, which the threads of this process take turns with; made anew when it was cut."""

    now = "extract(epoch from clock_timestamp())"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.shown = f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._url = url
        self._turn = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._turn, _failing():
            connection = self._living()
            with connection.transaction():
                yield _Transaction(connection)

    def has_table(self, transaction: Transaction, name: str) -> bool:
        return transaction.rows("SELECT to_regclass(:name) IS NOT NULL AS known", name=name)[0]["known"] is True

    def lock(self, transaction: Transaction) -> None:
        transaction.rows("SELECT 1 FROM pg_advisory_xact_lock(hashtext('bief control store'))")

    def close(self) -> None:
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _living(self) -> psycopg.Connection[Any]:
        """The connection, after a look whether it still is one: nobody may have spoken on it for hours."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                self._connection.close()
                self._connection = None
        if self._connection is None:
            url = self._url
            if "connect_timeout" not in url:
                url = make_conninfo(url, connect_timeout=_CONNECT_TIMEOUT_SECONDS)
            self._connection = psycopg.connect(url, autocommit=True)
        return self._connection


class _Transaction:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        cursor = self._connection.execute(_said(sql), values)
        return as_rows([column.name for column in cursor.description or ()], cursor.fetchall())

    def write(self, sql: str, **values: Any) -> int:
        return self._connection.execute(_said(sql), values).rowcount


def _said(sql: str) -> bytes:
    """The statement with values in the driver's form."""
    return _VALUE.sub(r"%(\1)s", sql).encode()


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseFailed(str(error)) from error
