"""The destination DuckDB: one file, one process at a time, analytics at once.

The load protocol is `sql.loading`; this file says where the file is and how to ask it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, Field

from bief.config.closed import Closed
from bief.errors import DestinationRefused
from bief.ports.destination import Capabilities
from bief.ports.runtime import Runtime
from bief.sql.destination import SqlDestination
from bief.sql.duckdb.dialect import DUCKDB
from bief.sql.duckdb.session import DuckdbSession, file_at, speaking
from bief.sql.session import Session

_RELATIONS: Final = """
SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() AND table_schema = 'main'"""

_ROWS_AT_ONCE: Final = 100_000


class DuckdbOptions(Closed):
    """A DuckDB file on a local disk."""

    type: Literal["duckdb"] = "duckdb"
    """The kind of this destination."""
    path: str = Field(min_length=1, examples=["warehouse.duckdb", "/data/analytics.duckdb"])
    """The file, made if it is not there; a relative path begins at the project folder."""
    memory_limit: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", examples=["2GB", "512MB"])
    """The most memory that DuckDB may take. Without it DuckDB takes up to four fifths of the machine's."""
    threads: int | None = Field(default=None, ge=1, examples=[4])
    """How many threads DuckDB may use. Without it, one per processor."""
    query_timeout_seconds: float = Field(default=60.0, gt=0, examples=[60])
    """How long a query of the console or of `bief query` may take."""


class DuckdbDestination(SqlDestination):
    """See `ports.destination.Destination`."""

    Options: ClassVar[type[BaseModel]] = DuckdbOptions
    kind: ClassVar[str] = "duckdb"
    kind_folder = "duckdb"
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({"append", "replace", "merge", "history"}),
        one_commit=True,
        parallel_loaders=False,
        concurrent_readers=False,
        max_identifier_bytes=DUCKDB.max_identifier_bytes,
    )

    def __init__(self, name: str, options: DuckdbOptions, runtime: Runtime) -> None:
        given = {"memory_limit": options.memory_limit, "threads": options.threads}
        settings = {key: str(value) for key, value in given.items() if value is not None}
        self._path = runtime.folder / Path(options.path).expanduser()
        self._file = file_at(self._path, settings)
        super().__init__(name, runtime, DUCKDB, turn=self._file.turn)
        self._timeout_seconds = options.query_timeout_seconds

    def check(self) -> None:
        """See `ports.destination.Destination.check`."""
        if self._path.exists():
            was_open = self._file.is_open
            with self._trial() as session:
                session.run("CREATE TABLE _bief_trial (tried bigint)")
            if not was_open:
                self._file.close()
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
        with speaking(self._path):
            statements = duckdb.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise DestinationRefused("only a query can be asked here.", where=self.name, do="Begin with SELECT.")
        with self._file.reading() as cursor, self._deadline(cursor), speaking(self._path):
            result = cursor.execute(statements[0])
            found: pa.Table = result.to_arrow_table()
            return found if max_rows is None else found.slice(0, max_rows)

    def close(self) -> None:
        """See `ports.destination.Destination.close`. Other processes can open the file afterwards."""
        self._file.close()

    @contextlib.contextmanager
    def _deadline(self, cursor: duckdb.DuckDBPyConnection) -> Any:
        timer = threading.Timer(self._timeout_seconds, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _session(self) -> Session:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DestinationRefused(
                f"the folder {self._path.parent} cannot be made: {error.strerror}.",
                where=self.name,
                do="Let this user write it, or correct `path` in the project file.",
            ) from error
        return DuckdbSession(self._file)

    def _relations(self) -> frozenset[str] | None:
        if not self._path.exists():
            return None
        return frozenset(str(row[0]) for row in self._read_rows(_RELATIONS))

    def _read_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._file.reading() as cursor, speaking(self._path):
            found: pa.Table = cursor.execute(sql, list(values)).to_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def _scanned(self, sql: str, schema: pa.Schema) -> Iterator[pa.Table]:
        with self._file.reading() as cursor, speaking(self._path):
            for batch in cursor.execute(sql).to_arrow_reader(_ROWS_AT_ONCE):
                yield pa.Table.from_batches([batch])
