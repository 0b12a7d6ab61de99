"""What the SQL destinations have in common: `prepare`, `loader`, `state` and `check`, over any `Session`.

A destination of `bief.destinations` fills in how to reach its database; it keeps `query` and its errors to itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.resources import files
from typing import Any, ClassVar, Final

import pyarrow as pa

from bief.base.failpoints import failpoint
from bief.errors import DestinationRefused
from bief.ports.destination import Capabilities, Loader, Target
from bief.ports.records import QuarantineCount, QuarantinedRow, QuarantineFilter, StreamRun, StreamState
from bief.ports.runtime import Runtime
from bief.sql import statements
from bief.sql.bookkeeping import FORMAT, LOADS, QUARANTINE, STATE, STEPS, VIEWS, stream_row
from bief.sql.dialect import Dialect
from bief.sql.loading import SqlLoader
from bief.sql.names import IS_CURRENT, refuse_taken_column, refuse_taken_table
from bief.sql.quarantine import rejected_counts, rejected_rows
from bief.sql.scanning import typed
from bief.sql.session import Session, transaction
from bief.sql.tables import Table, Tables, table_of
from bief.sql.taking_back import stream_runs

_PREPARE_LOCK: Final = "bief prepare"
_KNOWN_FORMAT: Final = 1
_OWN: Final = frozenset({FORMAT, LOADS, STATE, QUARANTINE, STEPS, *VIEWS})


class SqlDestination(ABC):
    """The half of `ports.destination.Destination` that is the same for all SQL databases."""

    capabilities: ClassVar[Capabilities]
    _tables: type[Tables] = Tables

    def __init__(self, name: str, runtime: Runtime, dialect: Dialect, *, turn: AbstractContextManager[Any]) -> None:
        self.name = name
        self._runtime = runtime
        self._dialect = dialect
        # A lock where the database has one writer: waiting for it here is cheaper than waiting for the file.
        self._turn = turn

    @abstractmethod
    def _session(self) -> Session:
        """A session that connects at its first `begin`. Makes folders and files if need be."""

    @abstractmethod
    def _relations(self) -> frozenset[str] | None:
        """The names of the tables and views that are there; None if there is no database yet. Changes nothing."""

    @abstractmethod
    def _read_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of one of our own SELECTs, outside any session."""

    def prepare(self) -> None:
        """See `ports.destination.Destination.prepare`. Costs one look at the catalog once everything is there."""
        relations = self._relations()
        if relations is not None and FORMAT in relations:
            self._refuse_newer_format()
        if relations is not None and relations >= _OWN:
            return
        with closing(self._session()) as session, transaction(session, self._turn, _PREPARE_LOCK):
            for statement in self._own_tables():
                session.run(statement)
            failpoint("prepare.before_commit")
            session.commit()
        failpoint("prepare.after_commit")

    def loader(self, target: Target, *, rebuild: bool = False, as_it_stands: bool = False) -> Loader:
        """See `ports.destination.Destination.loader`."""
        self._refuse(target)
        session = self._session()
        tables = self._tables(session, target)
        try:
            return SqlLoader(session, tables, target, rebuild=rebuild, as_it_stands=as_it_stands, turn=self._turn)
        except BaseException:
            session.close()
            raise

    def state(self, pipeline: str, stream: str, table: str) -> StreamState:
        """See `ports.destination.Destination.state`."""
        relations = self._relations() or frozenset()
        if STATE not in relations:
            return StreamState(position=None, table_exists=table in relations, rows=None, last_success=None)
        rows = self._read_rows(statements.STATE.format(state=self._dialect.table(STATE)), pipeline, stream)
        if not rows:
            return StreamState(position=None, table_exists=table in relations, rows=None, last_success=None)
        row = stream_row(rows[0])
        return StreamState(
            position=row.position, table_exists=table in relations, rows=row.total_rows, last_success=row.last_success
        )

    def columns(self, table: str, *, history: bool = False) -> pa.Schema | None:
        """See `ports.destination.Destination.columns`."""
        described = self._described(table, history=history)
        return None if described is None else described.schema

    def scan(self, table: str, columns: Sequence[str], *, history: bool = False) -> Generator[pa.Table, None, None]:
        """See `ports.destination.Destination.scan`."""
        described = self._described(table, history=history)
        if described is None:
            raise DestinationRefused(f"there is no table {table}.", where=self.name, do="Run the pipeline first.")
        missing = [name for name in columns if name not in described.columns]
        if missing:
            raise DestinationRefused(f"the table {table} has no column {', '.join(missing)}.", where=self.name)
        schema = pa.schema([described.schema.field(name) for name in columns])
        sentence = statements.SCAN.format(
            columns=", ".join(self._selected(field) for field in schema) or "1",
            table=self._dialect.table(table),
            where=f"WHERE {IS_CURRENT}" if history else "",
        )
        for rows in self._scanned(sentence, schema):
            yield typed(rows, schema)

    def _described(self, table: str, *, history: bool) -> Table | None:
        if self._relations() is None:
            return None
        found = self._read_rows(self._dialect.columns_query, *self._dialect.catalog_values(table))
        return table_of(self._dialect, table, found, history=history)

    def _selected(self, field: pa.Field[Any]) -> str:
        """How a column is asked for in a scan."""
        return self._dialect.quote(field.name)

    @abstractmethod
    def _scanned(self, sql: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows of a SELECT over all of a table, a part at a time, as the database gives them."""

    def rejected_rows(self, which: QuarantineFilter, *, after: str = "", limit: int) -> list[QuarantinedRow]:
        """See `ports.destination.Destination.rejected_rows`."""
        if QUARANTINE not in (self._relations() or ()):
            return []
        return rejected_rows(self._read_rows, self._dialect, which, after=after, limit=limit)

    def rejected_counts(self, which: QuarantineFilter) -> list[QuarantineCount]:
        """See `ports.destination.Destination.rejected_counts`."""
        if QUARANTINE not in (self._relations() or ()):
            return []
        return rejected_counts(self._read_rows, self._dialect, which)

    def stream_runs(self, pipeline: str, stream: str) -> list[StreamRun]:
        """See `ports.destination.Destination.stream_runs`."""
        if LOADS not in (self._relations() or ()):
            return []
        return stream_runs(self._read_rows, self._dialect, pipeline, stream)

    def _refuse_newer_format(self) -> None:
        written = self._read_rows(statements.FORMAT.format(table=self._dialect.table(FORMAT)))
        if any(int(version) > _KNOWN_FORMAT for (version,) in written):
            raise DestinationRefused(
                f"Bief's own tables here have the form {written[0][0]}, and this version knows form {_KNOWN_FORMAT}.",
                where=self.name,
                do="Install the newer version of Bief that this destination was used with.",
            )

    @contextmanager
    def _trial(self) -> Iterator[Session]:
        """A transaction in which the abilities of the user are tried and that is always taken back."""
        with closing(self._session()) as session, self._turn:
            session.begin(_PREPARE_LOCK)
            try:
                yield session
            finally:
                session.rollback()

    def _words(self) -> Mapping[str, str]:
        return {}

    def _own_tables(self) -> list[str]:
        """The statements of `tables.sql`, which stands beside the dialect of the database."""
        text = files(f"bief.sql.{self.kind_folder}").joinpath("tables.sql").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("--")]
        return [part.strip().format(**self._words()) for part in "\n".join(lines).split(";\n") if part.strip()]

    @property
    @abstractmethod
    def kind_folder(self) -> str:
        """The package of `bief.sql` that holds this database's `tables.sql`."""

    def _refuse(self, target: Target) -> None:
        refuse_taken_table(target.table)
        self._dialect.quote(target.table)
        if target.mode not in self.capabilities.modes:
            raise DestinationRefused(f"the mode {target.mode} is not one of this destination's.", where=self.name)
        if target.mode in ("merge", "history") and not target.primary_key:
            raise DestinationRefused(
                f"the mode {target.mode} needs a primary key, and the stream {target.stream} has none.",
                where=self.name,
                do="Name it with `primary_key` in the project file.",
            )
        for column in target.primary_key:
            refuse_taken_column(column, history=target.mode == "history")
