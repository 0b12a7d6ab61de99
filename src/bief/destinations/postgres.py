"""The destination PostgreSQL (version 13 and later): all tables in one schema, data and bookkeeping in one commit.

The load protocol is `sql.loading`; this file says how to reach the server and how to ask it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from bief.base.secrets import Secret
from bief.config.closed import Closed
from bief.errors import DestinationRefused, DestinationUnavailable
from bief.ports.destination import Capabilities
from bief.ports.runtime import Runtime
from bief.sql.destination import SqlDestination
from bief.sql.postgres.dialect import postgres_dialect
from bief.sql.postgres.results import plain_numbers
from bief.sql.postgres.session import DRIVER_ERRORS, PostgresSession, Server
from bief.sql.session import Session

_RELATIONS: Final = """
SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')"""
_SCAN_BYTES: Final = 8 << 20
_TRIAL_TABLE: Final = "_bief_trial"
_DSN_PASSWORD: Final = re.compile(r"password\s*=\s*('(?:[^'\\]|\\.)*'|\S+)")
# A session that only reads can still write files on the server by COPY: so only queries get that far.
_QUERY: Final = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE | re.DOTALL)


class PostgresOptions(Closed):
    """A schema of a PostgreSQL database."""

    type: Literal["postgres"] = "postgres"
    """The kind of this destination."""
    url: Secret = Field(examples=["${DATABASE_URL}", "postgresql://loader:${PG_PASSWORD}@db.example.org:5432/shop"])
    """Where the database is, with user and password. Keep it out of bief.yaml: `${DATABASE_URL}` and `.env`."""
    schema_: str = Field(default="public", alias="schema", examples=["public", "pennylane"])
    """The schema of the tables; made if it is not there."""
    connect_timeout_seconds: float = Field(default=10.0, gt=0, examples=[10])
    """How long to wait for the server to answer a new connection."""
    statement_timeout_seconds: float = Field(default=3600.0, gt=0, examples=[3600])
    """How long one statement of a load may take. An hour: a merge into a big table on a busy server is slow."""
    query_timeout_seconds: float = Field(default=60.0, gt=0, examples=[60])
    """How long a query of the console or of `bief query` may take."""
    lock_timeout_seconds: float = Field(default=30.0, gt=0, examples=[30])
    """How long to wait for a lock that somebody else holds on a table; then the load is tried again."""
    idle_timeout_seconds: float = Field(default=60.0, gt=0, examples=[60])
    """After how long the server ends a load whose client has fallen silent in the middle of it."""


class PostgresDestination(SqlDestination):
    """See `ports.destination.Destination`."""

    Options: ClassVar[type[BaseModel]] = PostgresOptions
    kind: ClassVar[str] = "postgres"
    kind_folder = "postgres"
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({"append", "replace", "merge", "history"}),
        one_commit=True,
        parallel_loaders=True,
        concurrent_readers=True,
        max_identifier_bytes=63,
    )

    def __init__(self, name: str, options: PostgresOptions, runtime: Runtime) -> None:
        super().__init__(name, runtime, postgres_dialect(options.schema_), turn=contextlib.nullcontext())
        self._options = options
        runtime.redactor.learn(options.url)
        for password in _DSN_PASSWORD.findall(options.url.reveal()):
            runtime.redactor.learn(password.strip("'"))
        self._server = Server(
            name=name,
            url=options.url,
            redactor=runtime.redactor,
            connect_timeout_seconds=options.connect_timeout_seconds,
            statement_timeout_seconds=options.statement_timeout_seconds,
            lock_timeout_seconds=options.lock_timeout_seconds,
            idle_timeout_seconds=options.idle_timeout_seconds,
        )
        # A plan looks at every stream: one connection is kept for that, used by one thread at a time.
        self._looking = threading.Lock()
        self._kept: Any = None

    def check(self) -> None:
        """See `ports.destination.Destination.check`."""
        schema = self._dialect.quote(self._options.schema_)
        with self._trial() as session:
            if not session.rows("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._options.schema_):
                session.run(f"CREATE SCHEMA {schema}")
            session.run(f"CREATE TABLE {self._dialect.table(_TRIAL_TABLE)} (tried bigint)")

    def query(self, sql: str, *, max_rows: int | None = None) -> pa.Table:
        """See `ports.destination.Destination.query`."""
        if not _QUERY.match(sql):
            raise DestinationRefused(
                "only a query can be asked here.", where=self.name, do="Begin with SELECT, WITH, VALUES or TABLE."
            )
        timeout = f"{round(self._options.query_timeout_seconds * 1000)}"
        with self._cursor() as cursor:
            cursor.connection.adbc_connection.set_autocommit(False)
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SELECT set_config('statement_timeout', $1, true)", (timeout,))
            cursor.execute(f"SET LOCAL search_path TO {self._dialect.quote(self._options.schema_)}, public")
            cursor.execute(sql.strip().rstrip(";"))
            return plain_numbers(_taken(cursor.fetch_record_batch(), max_rows))

    def close(self) -> None:
        """See `ports.destination.Destination.close`. Loaders close their own connections."""
        with self._looking:
            self._drop_kept()

    def _session(self) -> Session:
        return PostgresSession(self._server, self._dialect)

    def _relations(self) -> frozenset[str] | None:
        return frozenset(str(row[0]) for row in self._read_rows(_RELATIONS, self._options.schema_))

    def _read_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._looking:
            if self._kept is not None:
                # It may have been cut while nobody looked; then a fresh one is as good.
                with contextlib.suppress(DestinationUnavailable):
                    return self._asked(sql, values)
                self._drop_kept()
            self._kept = self._server.connect()
            return self._asked(sql, values)

    def _selected(self, field: pa.Field[Any]) -> str:
        # The server writes a number as text on its own processor, and quicker than the driver does.
        name = self._dialect.quote(field.name)
        return f"{name}::text" if pa.types.is_decimal(field.type) else name

    def _scanned(self, sql: str, schema: pa.Schema) -> Iterator[pa.Table]:
        with self._cursor() as cursor:
            cursor.connection.adbc_connection.set_autocommit(False)
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(sql, batch_bytes=_SCAN_BYTES)
            for batch in cursor.fetch_record_batch():
                yield pa.Table.from_batches([batch])

    def _asked(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._server.speaking(), self._kept.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def _drop_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with contextlib.suppress(*DRIVER_ERRORS):
                kept.close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor of a connection of its own, outside any load."""
        with (
            contextlib.closing(self._server.connect()) as connection,
            self._server.speaking(),
            connection.cursor() as cursor,
        ):
            yield cursor

    def _words(self) -> Mapping[str, str]:
        return {"schema": self._dialect.quote(self._options.schema_)}


def _taken(batches: pa.RecordBatchReader, max_rows: int | None) -> pa.Table:
    """The first rows of a result."""
    if max_rows is None:
        return batches.read_all()
    taken: list[pa.RecordBatch] = []
    missing = max_rows
    while missing > 0:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            break
        taken.append(batch.slice(0, missing))
        missing -= taken[-1].num_rows
    return pa.Table.from_batches(taken, batches.schema)
