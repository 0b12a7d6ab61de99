"""One connection to an SQLite file: explicit transactions, WAL, every commit on the disk before it counts.

Implements `sql.session.Session`. Never `executescript`: it commits the open transaction first.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from bief.base.clock import Clock
from bief.errors import CommitInDoubt, DestinationError, DestinationRefused, DestinationUnavailable, RowsRefused
from bief.sql.dialect import Dialect
from bief.sql.names import OWN_COLUMNS
from bief.sql.results import in_types
from bief.sql.session import Result, Row
from bief.sql.sqlite.dialect import DECIMAL_COLLATION, NOW_FUNCTION, SQLITE
from bief.sql.sqlite.values import arrow_table, bound_rows
from bief.sql.sqlite.wal import use_write_ahead_log

_BUSY_TIMEOUT_SECONDS: Final = 30.0
_OLDEST_VERSION: Final = (3, 35, 0)
_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
)
_WAITING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "Free space on the disk of the file; then run again, it goes on from the last commit.",
    sqlite3.SQLITE_READONLY: "Let this user write the file and its folder (SQLite writes a -wal file beside it).",
    sqlite3.SQLITE_CANTOPEN: "Let this user write the folder of the file, or correct `path` in the project file.",
    sqlite3.SQLITE_PERM: "Let this user write the file and its folder.",
    sqlite3.SQLITE_NOTADB: "The file is something else than an SQLite database: correct `path` in the project file.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged: restore it from a copy, or move it away and load everything anew.",
    sqlite3.SQLITE_IOERR: "The disk failed or is full; SQLite needs a local disk, not a network one.",
}
_PRIMARY_CODE: Final = 0xFF
_ROW_CODES: Final = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})
_SAVEPOINT: Final = "bief_part"


@contextlib.contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into errors of Bief."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise RowsRefused(f"a value cannot be stored: {error}.", where=str(path)) from error


def translated(error: sqlite3.Error, path: Path) -> DestinationError:
    """What an error of SQLite means for the user."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    what = f"{error}."
    if code in _WAITING:
        do = f"Another process wrote into it for more than {_BUSY_TIMEOUT_SECONDS:.0f} seconds; it is tried again."
        return DestinationUnavailable(what, where=str(path), do=do)
    if code in _ROW_CODES:
        return RowsRefused(what, where=str(path))
    return DestinationRefused(what, where=str(path), do=_ADVICE.get(code, ""))


class SqliteSession:
    """See `sql.session.Session`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._moment = ""
        self._staged: set[str] = set()
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    def begin(self, lock: str) -> None:
        if self._closed:
            raise DestinationUnavailable("the connection was closed already.", where=str(self._path))
        if self._connection is None:
            self._connection = self._connect()
        self._moment = text_of(self._clock.now())
        self._staged = set()
        self.run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """While the transaction is still open after an error, nothing was written; else the ledger must say."""
        for name in self._staged:
            self.run(f"DROP TABLE IF EXISTS {name}")
        connection = self._open()
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                raise translated(error, self._path) from error
            self._drop()
            raise CommitInDoubt(
                f"the file could not be written while committing: {error}.",
                where=str(self._path),
                do="The ledger decides whether the load has landed: it is asked when the load is tried again.",
            ) from error

    def rollback(self) -> None:
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        with speaking(self._path):
            return self._open().execute(sql, _numbered(values)).fetchall()

    def write(self, sql: str, *values: Any) -> int:
        with speaking(self._path):
            return self._open().execute(sql, _numbered(values)).rowcount

    def run(self, sql: str) -> None:
        with speaking(self._path):
            self._open().execute(sql)

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        return in_types(arrow_table(schema.names, self.rows(sql)), schema)

    def attempt(self, work: Callable[[], Result]) -> Result:
        self.run(f"SAVEPOINT {_SAVEPOINT}")
        try:
            return work()
        except RowsRefused:
            self.run(f"ROLLBACK TO {_SAVEPOINT}")
            raise
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self.run(f"RELEASE {_SAVEPOINT}")

    def unstage(self, name: str) -> None:
        self.run(f"DROP TABLE IF EXISTS {self.dialect.temporary(name)}")

    def stage(self, name: str, rows: pa.Table) -> None:
        dialect = self.dialect
        place = dialect.temporary(name)
        if place in self._staged:
            self.unstage(name)
        columns = ", ".join(f"{dialect.quote(field.name)} {dialect.type_sql(field.type)}" for field in rows.schema)
        self.run(f"CREATE TABLE {place} ({columns})")
        self._staged.add(place)
        self._insert(place, rows, (), ())

    def append(self, table: str, rows: pa.Table, load_id: int | None = None) -> int:
        place = self.dialect.table(table)
        if load_id is None:
            return self._insert(place, rows, (), ())
        return self._insert(place, rows, OWN_COLUMNS, (f"{NOW_FUNCTION}()", str(int(load_id))))

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _insert(self, place: str, rows: pa.Table, own: tuple[str, ...], own_values: tuple[str, ...]) -> int:
        columns = self.dialect.names([*rows.column_names, *own])
        blanks = ", ".join([*("?" for _ in rows.column_names), *own_values])
        with speaking(self._path):
            written = self._open().executemany(
                f"INSERT INTO {place} ({columns}) VALUES ({blanks})",  # noqa: S608 - quoted names and blanks only
                bound_rows(rows),
            )
            return max(written.rowcount, 0)

    def _connect(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < _OLDEST_VERSION:
            raise DestinationRefused(
                f"this Python has SQLite {sqlite3.sqlite_version}, and Bief needs 3.35 or later.",
                where=str(self._path),
                do="Use a newer Python.",
            )
        with speaking(self._path):
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                use_write_ahead_log(connection, _BUSY_TIMEOUT_SECONDS)
                for setting in _SETTINGS:
                    connection.execute(setting)
                connection.create_function(NOW_FUNCTION, 0, lambda: self._moment)
                connection.create_collation(DECIMAL_COLLATION, _compare_decimals)
            except BaseException:
                connection.close()
                raise
            return connection

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise DestinationUnavailable("the connection was lost.", where=str(self._path))
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def text_of(moment: datetime) -> str:
    """A moment as SQLite keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + "Z"


def _numbered(values: tuple[Any, ...]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values, start=1)}


def _compare_decimals(left: str, right: str) -> int:
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)
