"""One cursor on a DuckDB file: Arrow rows are read where they lie, one transaction writes at a time.

Implements `sql.session.Session`. `DuckdbFile` holds the one connection of this process to the file, from which every
session takes a cursor; a second process cannot open the file until it is closed.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import duckdb
import pyarrow as pa

from bief.errors import CommitInDoubt, DestinationError, DestinationRefused, DestinationUnavailable, RowsRefused
from bief.sql.dialect import Dialect
from bief.sql.duckdb.dialect import DUCKDB
from bief.sql.names import OWN_COLUMNS
from bief.sql.results import in_types
from bief.sql.session import Result, Row

_LOCKED: Final = re.compile(r"Conflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")
_FULL: Final = re.compile(r"No space left|disk full|out of disk", re.IGNORECASE)
# Nothing is downloaded at run time, and a query cannot read files of this machine.
_CONFIG: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
}
_APPENDED: Final = "bief_appended"


class DuckdbFile:
    """The connection of this process to one file, made when it is first needed. Safe to share by threads.

    `turn` lets one load write at a time. DuckDB refuses a reading connection beside a writing one in one process, so
    reading takes a cursor of the writing one, or keeps it from being opened meanwhile.
    """

    def __init__(self, path: Path, settings: dict[str, str]) -> None:
        self.path = path
        self.turn = threading.Lock()
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor with its own transactions."""
        with self._lock, speaking(self.path):
            if self._connection is None:
                self._connection = self._open(read_only=False)
            cursor = self._connection.cursor()
            cursor.execute("SET TimeZone = 'UTC'")
            return cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a read-only transaction. Leaves the file closed if it was closed."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lock)
            with speaking(self.path):
                if self._connection is None:
                    cursor = stack.enter_context(contextlib.closing(self._open(read_only=True)))
                else:
                    cursor = self._connection.cursor()
                    stack.pop_all().close()
                    stack.enter_context(contextlib.closing(cursor))
                cursor.execute("SET TimeZone = 'UTC'")
                cursor.execute("BEGIN TRANSACTION READ ONLY")
            yield cursor

    def close(self) -> None:
        """Let go of the file, so that other processes can open it."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(duckdb.Error):
                    connection.close()

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def _open(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=read_only, config={**_CONFIG, **self._settings})


_files: WeakValueDictionary[Path, DuckdbFile] = WeakValueDictionary()
_files_lock: Final = threading.Lock()


def file_at(path: Path, settings: dict[str, str]) -> DuckdbFile:
    """The file at a path: the same object for everybody in this process. The first one's settings hold."""
    with _files_lock:
        place = path.absolute()
        found = _files.get(place)
        if found is None:
            found = _files[place] = DuckdbFile(path, settings)
        return found


@contextlib.contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Turn errors of DuckDB into errors of Bief."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, path) from error


def translated(error: duckdb.Error, path: Path) -> DestinationError:
    """What an error of DuckDB means for the user."""
    message = str(error).strip()
    locked = _LOCKED.search(message)
    if locked or "already attached" in message or "different configuration" in message:
        holder = f" by process {locked['pid']} ({locked['program'].strip()})" if locked else " by another connection"
        return DestinationUnavailable(
            f"the file is open{holder}, and DuckDB lets one process have it at a time.",
            where=str(path),
            do="Close it there (a notebook, a DuckDB shell, another run); it is tried again.",
        )
    what = message.splitlines()[0].rstrip(". ") + "."
    if isinstance(error, duckdb.InterruptException):
        return DestinationRefused("the query took longer than it may, and was stopped.", where=str(path))
    if isinstance(error, duckdb.TransactionException):
        return DestinationUnavailable(
            what, where=str(path), do="Another load changed the same rows; it is tried again."
        )
    if _FULL.search(message):
        do = "Free space on the disk of the file; then run again, it goes on from the last commit."
        return DestinationRefused(what, where=str(path), do=do)
    if isinstance(error, duckdb.IOException):
        do = "Let this user write the file and its folder, or correct `path` in the project file."
        return DestinationRefused(what, where=str(path), do=do)
    of_rows = isinstance(error, duckdb.ConstraintException | duckdb.ConversionException | duckdb.OutOfRangeException)
    return (RowsRefused if of_rows else DestinationRefused)(what, where=str(path))


class DuckdbSession:
    """See `sql.session.Session`."""

    def __init__(self, file: DuckdbFile) -> None:
        self._file = file
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._registered: list[str] = []
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        return DUCKDB

    def begin(self, lock: str) -> None:
        if self._closed:
            raise DestinationUnavailable("the connection was closed already.", where=str(self._file.path))
        if self._cursor is None:
            self._cursor = self._file.cursor()
        self.run("BEGIN TRANSACTION")

    def commit(self) -> None:
        """A conflict is definite; after any other error the file must be opened again to know."""
        cursor = self._open()
        try:
            cursor.execute("COMMIT")
        except (duckdb.TransactionException, duckdb.ConstraintException) as error:
            raise translated(error, self._file.path) from error
        except duckdb.Error as error:
            self._drop()
            self._file.close()
            raise CommitInDoubt(
                f"the file could not be written while committing: {str(error).splitlines()[0]}",
                where=str(self._file.path),
                do="The ledger decides whether the load has landed: it is asked when the load is tried again.",
            ) from error
        self._forget()

    def rollback(self) -> None:
        if self._cursor is None:
            return
        try:
            self._cursor.execute("ROLLBACK")
        except duckdb.TransactionException:
            pass  # there was none: the error that brought us here has ended it
        except duckdb.Error:
            self._drop()
        self._forget()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        with speaking(self._file.path):
            found: pa.Table = self._open().execute(sql, list(values)).to_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def write(self, sql: str, *values: Any) -> int:
        return int(self.rows(sql, *values)[0][0])

    def run(self, sql: str) -> None:
        with speaking(self._file.path):
            self._open().execute(sql)

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        with speaking(self._file.path):
            found: pa.Table = self._open().execute(sql).to_arrow_table()
        return in_types(found, schema)

    def attempt(self, work: Callable[[], Result]) -> Result:
        raise NotImplementedError("an error ends the transaction of DuckDB")

    def unstage(self, name: str) -> None:
        with speaking(self._file.path):
            self._open().unregister(name)

    def stage(self, name: str, rows: pa.Table) -> None:
        with speaking(self._file.path):
            self._open().register(name, rows)
        self._registered.append(name)

    def append(self, table: str, rows: pa.Table, load_id: int | None = None) -> int:
        dialect = self.dialect
        self.stage(_APPENDED, rows)
        own = OWN_COLUMNS if load_id is not None else ()
        columns = dialect.names([*rows.column_names, *own])
        values = ", ".join([dialect.names(rows.column_names), *(("now()", str(int(load_id))) if load_id else ())])
        return self.write(
            f"INSERT INTO {dialect.table(table)} ({columns}) "  # noqa: S608 - quoted names and one number
            f"SELECT {values} FROM {dialect.temporary(_APPENDED)}"
        )

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _forget(self) -> None:
        for name in self._registered:
            if self._cursor is not None:
                with contextlib.suppress(duckdb.Error):
                    self._cursor.unregister(name)
        self._registered = []

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._cursor is None:
            raise DestinationUnavailable("the connection was lost.", where=str(self._file.path))
        return self._cursor

    def _drop(self) -> None:
        cursor, self._cursor = self._cursor, None
        self._registered = []
        if cursor is not None:
            with contextlib.suppress(duckdb.Error):
                cursor.close()
