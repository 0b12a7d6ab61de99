"""The destination SQLite: one file, one writer, readers that never wait.

The load protocol is `sql.loading`; this file says where the file is and how to ask it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from bief.config.closed import Closed
from bief.errors import DestinationRefused, DestinationUnavailable
from bief.ports.destination import Capabilities
from bief.ports.runtime import Runtime
from bief.sql.destination import SqlDestination
from bief.sql.scanning import array_of
from bief.sql.session import Session
from bief.sql.sqlite.dialect import SQLITE
from bief.sql.sqlite.session import SqliteSession, speaking
from bief.sql.sqlite.tables import SqliteTables
from bief.sql.sqlite.values import arrow_table

_RELATIONS: Final = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
_READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_INSTRUCTIONS_BETWEEN_LOOKS: Final = 10_000
_ROWS_AT_ONCE: Final = 20_000


class SqliteOptions(Closed):
    """An SQLite file on a local disk."""

    type: Literal["sqlite"] = "sqlite"
    """The kind of this destination."""
    path: str = Field(min_length=1, examples=["warehouse.db", "/data/warehouse.db"])
    """The file, made if it is not there; a relative path begins at the project folder. Not on a network disk."""
    query_timeout_seconds: float = Field(default=60.0, gt=0, examples=[60])
    """How long a query of the console or of `bief query` may take."""


class SqliteDestination(SqlDestination):
    """See `ports.destination.Destination`."""

    Options: ClassVar[type[BaseModel]] = SqliteOptions
    kind: ClassVar[str] = "sqlite"
    kind_folder = "sqlite"
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({"append", "replace", "merge", "history"}),
        one_commit=True,
        parallel_loaders=False,
        concurrent_readers=True,
        max_identifier_bytes=SQLITE.max_identifier_bytes,
    )
    _tables = SqliteTables

    def __init__(self, name: str, options: SqliteOptions, runtime: Runtime) -> None:
        super().__init__(name, runtime, SQLITE, turn=threading.Lock())
        self._path = runtime.folder / Path(options.path).expanduser()
        self._timeout_seconds = options.query_timeout_seconds

    def check(self) -> None:
        """See `ports.destination.Destination.check`."""
        if self._path.exists():
            with self._trial() as session:
                session.run("CREATE TABLE _bief_trial (tried)")
            return
        folder = next(parent for parent in self._path.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DestinationRefused(
                f"the file {self._path} cannot be made in {folder}.",
                where=self.name,
                do="Let this user write the folder, or correct `path` in the project file.",
            )

    def query(self, sql: str, *, max_rows: int | None = None) -> pa.Table:
        """See `ports.destination.Destination.query`."""
        if not self._path.exists():
            raise DestinationRefused(f"there is no file {self._path} yet.", where=self.name, do="Run a pipeline first.")
        with contextlib.closing(self._reader()) as connection:
            connection.set_authorizer(_only_reading)
            deadline = time.monotonic() + self._timeout_seconds
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS_BETWEEN_LOOKS)
            try:
                cursor = connection.execute(sql)
                rows = cursor.fetchall() if max_rows is None else list(itertools.islice(cursor, max_rows))
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise self._refused(error, late=time.monotonic() > deadline) from error
            if cursor.description is None:
                raise DestinationRefused("only a query can be asked here.", where=self.name, do="Begin with SELECT.")
            return arrow_table([column[0] for column in cursor.description], rows)

    def close(self) -> None:
        """See `ports.destination.Destination.close`. Loaders close their own connections."""

    def _refused(self, error: Exception, *, late: bool) -> DestinationRefused | DestinationUnavailable:
        if late:
            return DestinationRefused(f"the query took longer than {self._timeout_seconds:g} seconds.", where=self.name)
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            return DestinationUnavailable(f"{error}.", where=str(self._path))
        return DestinationRefused(f"{error}.", where=self.name, do="Only one SELECT can be asked here.")

    def _session(self) -> Session:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DestinationRefused(
                f"the folder {self._path.parent} cannot be made: {error.strerror}.",
                where=self.name,
                do="Let this user write it, or correct `path` in the project file.",
            ) from error
        return SqliteSession(self._path, self._runtime.clock)

    def _relations(self) -> frozenset[str] | None:
        if not self._path.exists():
            return None
        return frozenset(str(row[0]) for row in self._read_rows(_RELATIONS))

    def _read_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with speaking(self._path), contextlib.closing(self._reader()) as connection:
            return connection.execute(sql, {str(number + 1): value for number, value in enumerate(values)}).fetchall()

    def _scanned(self, sql: str, schema: pa.Schema) -> Iterator[pa.Table]:
        with speaking(self._path), contextlib.closing(self._reader()) as connection:
            cursor = connection.execute(sql)
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                columns = zip(zip(*rows, strict=True), schema, strict=True)
                yield pa.Table.from_arrays(
                    [array_of(list(values), field.type) for values, field in columns], names=schema.names
                )

    def _reader(self) -> sqlite3.Connection:
        with speaking(self._path):
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            connection.execute("PRAGMA query_only = ON")
            return connection


def _only_reading(action: int, *what: Any) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
