"""One connection to PostgreSQL, by ADBC: rows by binary COPY, sentences by prepared statements, one transaction.

Implements `sql.session.Session`. Transactions are begun and ended through the driver, which must know of them: in its
autocommit mode it sends a BEGIN and a COMMIT of its own around a statement with a time stamp among its parameters, and
that COMMIT would end ours half-way. Between two loads the connection is in autocommit mode, so that no transaction
stands idle (with yesterday's `now()`) while the source is read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import pyarrow as pa

from bief.base.secrets import Redactor, Secret
from bief.errors import CommitInDoubt, DestinationUnavailable, RowsRefused
from bief.sql.dialect import Dialect
from bief.sql.names import LOAD_ID
from bief.sql.postgres.driver import Connection
from bief.sql.postgres.errors import is_lost, sentence_of, translated
from bief.sql.postgres.results import plain_numbers
from bief.sql.results import in_types
from bief.sql.session import Result, Row

_SETTINGS: Final = """
SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
    set_config('idle_in_transaction_session_timeout', $3, true), set_config('synchronous_commit', 'on', true)"""
_NOTICE_DEAD_CLIENTS: Final = "SELECT set_config('client_connection_check_interval', '10s', false)"
_UTC: Final = "SELECT set_config('TimeZone', 'UTC', false)"
_LOCK: Final = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 0))) AS held"
_COUNTED: Final = "WITH written AS ({statement} RETURNING 1) SELECT count(*) FROM written"
# What this backend has inserted and not yet reported; NULL where the server does not count (track_counts off).
_INSERTED: Final = """
SELECT CASE WHEN current_setting('track_counts')::boolean AND c.relkind = 'r'
    THEN pg_stat_get_xact_tuples_inserted(c.oid) END
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"""
_MILLISECONDS: Final = 1000
_APPENDED: Final = "bief_appended"
_CAREFULLY: Final = """
CREATE OR REPLACE FUNCTION pg_temp.bief_carefully(statement text, load_id bigint, OUT count bigint, OUT refusal text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement USING load_id;
    GET DIAGNOSTICS count = ROW_COUNT;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    refusal := sqlerrm;
END $$"""
_SQLSTATE: Final = re.compile(r"SQLSTATE: (\w{5})")
# An error in the middle of a result comes out of pyarrow, as one of its own or as an OSError.
DRIVER_ERRORS: Final = (adbc_driver_manager.Error, pa.ArrowException, OSError)


@dataclass(frozen=True)
class Server:
    """How to reach a server, and how long to wait for it."""

    name: str
    url: Secret
    redactor: Redactor
    connect_timeout_seconds: float
    statement_timeout_seconds: float
    lock_timeout_seconds: float
    idle_timeout_seconds: float

    def connect(self) -> Connection:
        """A connection in autocommit mode. Raises `DestinationError`."""
        with self.speaking():
            connection = Connection(self._completed_url())
            with connection.cursor() as cursor:
                cursor.execute(_UTC)
                # Not on every platform: without it the server notices a dead client a little later.
                with contextlib.suppress(adbc_driver_manager.Error):
                    cursor.execute(_NOTICE_DEAD_CLIENTS)
            return connection

    @contextlib.contextmanager
    def speaking(self, lost: Callable[[], None] | None = None) -> Iterator[None]:
        """Turn errors of the driver into errors of Bief; call `lost` if the connection is gone."""
        try:
            yield
        except DRIVER_ERRORS as error:
            sqlstate, message = self.read_error(error)
            if lost is not None and is_lost(sqlstate, message):
                lost()
            raise translated(sqlstate, message, where=self.name) from None

    def read_error(self, error: Exception) -> tuple[str | None, str]:
        """The SQLSTATE, if the server gave one, and the message without secrets."""
        sqlstate = (getattr(error, "sqlstate", None) or "").strip("\x00 ")
        if not sqlstate and (said := _SQLSTATE.search(str(error))):
            sqlstate = said[1]
        return sqlstate or None, self.redactor.clean(str(error))

    def _completed_url(self) -> str:
        """The URL with what a long-lived connection needs, where the user has not said otherwise."""
        wanted = {
            "application_name": "bief",
            "connect_timeout": str(max(1, round(self.connect_timeout_seconds))),
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
        }
        text = self.url.reveal()
        if "://" not in text:
            return text + "".join(f" {key}={value}" for key, value in wanted.items() if f"{key}=" not in text)
        parts = urlsplit(text)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        return urlunsplit(parts._replace(query=urlencode({**wanted, **given}, safe="/")))


class PostgresSession:
    """See `sql.session.Session`."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self._server = server
        self._dialect = dialect
        self._connection: Connection | None = None
        self._staged: set[str] = set()
        # Rows put into a table so far, as long as only COPY puts them there.
        self._inserted: dict[str, int] = {}
        self._careful = False
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    def begin(self, lock: str) -> None:
        if self._closed:
            raise DestinationUnavailable("the connection was closed already.", where=self._server.name)
        try:
            self._start()
        except DestinationUnavailable:
            # An idle connection may have been cut since the last commit: nothing is lost, so try a fresh one.
            self._drop()
            self._start()
        self.rows(_LOCK, lock)

    def _start(self) -> None:
        self._inserted.clear()
        if self._connection is None:
            self._connection = self._server.connect()
        with self._server.speaking(self._drop):
            self._connection.adbc_connection.set_autocommit(False)
        self.rows(
            _SETTINGS,
            _milliseconds(self._server.lock_timeout_seconds),
            _milliseconds(self._server.statement_timeout_seconds),
            _milliseconds(self._server.idle_timeout_seconds),
        )

    def commit(self) -> None:
        """An error reply is definite; no reply is a doubt, and so is any error that no server wrote."""
        connection = self._open().adbc_connection
        try:
            connection.commit()
        except DRIVER_ERRORS as error:
            sqlstate, message = self._server.read_error(error)
            if sqlstate is not None and not is_lost(sqlstate, message):
                raise translated(sqlstate, message, where=self._server.name) from None
            self._drop()
            raise CommitInDoubt(
                f"the connection was lost while the server was committing: {sentence_of(message)}",
                where=self._server.name,
                do="The ledger decides whether the load has landed: it is asked when the load is tried again.",
            ) from None
        # The load has landed: an error from here on is of no matter.
        self._leave()

    def rollback(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.adbc_connection.rollback()
        except DRIVER_ERRORS:
            self._drop()
        self._leave()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        with self._server.speaking(self._drop), self._open().cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def write(self, sql: str, *values: Any) -> int:
        self._inserted.clear()
        if self._careful:
            return self._write_carefully(sql, values)
        return int(self.rows(_COUNTED.format(statement=sql), *values)[0][0])

    def _write_carefully(self, sql: str, values: tuple[Any, ...]) -> int:
        count, refusal = self.rows(
            "SELECT count, refusal FROM pg_temp.bief_carefully($1, $2)", sql, *(values or (None,))
        )[0]
        if refusal is not None:
            raise RowsRefused(sentence_of(str(refusal)), where=self._server.name)
        return int(count)

    def run(self, sql: str) -> None:
        with self._server.speaking(self._drop), self._open().cursor() as cursor:
            cursor.execute(sql)

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        with self._server.speaking(self._drop), self._open().cursor() as cursor:
            cursor.execute(sql)
            found = cursor.fetch_arrow_table()
        return in_types(plain_numbers(found), schema)

    def attempt(self, work: Callable[[], Result]) -> Result:
        """By a function on the server that catches the refusal: once a statement has failed, the driver lets nothing
        through but a rollback of everything, not even one to a savepoint."""
        self.run(_CAREFULLY)
        self._careful = True
        try:
            return work()
        finally:
            self._careful = False

    def unstage(self, name: str) -> None:
        self.run(f"DROP TABLE IF EXISTS {self._dialect.temporary(name)}")

    def stage(self, name: str, rows: pa.Table) -> None:
        dialect = self._dialect
        if name in self._staged:
            self.unstage(name)
        self._staged.add(name)
        columns = ", ".join(f"{dialect.quote(field.name)} {dialect.type_sql(field.type)}" for field in rows.schema)
        self.run(f"CREATE TEMPORARY TABLE {dialect.quote(name)} ({columns}) ON COMMIT DROP")
        self._copy(name, rows, temporary=True)

    def append(self, table: str, rows: pa.Table, load_id: int | None = None) -> int:
        if load_id is not None:
            # As a column of the COPY: a default that the server works out for each row costs it a tenth of the load.
            rows = rows.append_column(LOAD_ID, pa.repeat(pa.scalar(load_id, pa.int64()), rows.num_rows))
        if self._careful:
            self.stage(_APPENDED, rows)
            columns, staged = self._dialect.names(rows.column_names), self._dialect.temporary(_APPENDED)
            into = self._dialect.table(table)
            return self.write(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {staged}")  # noqa: S608 - quoted names
        before = self._inserted.pop(table, None)
        if before is None:
            before = self._count_inserted(table)
        sent = self._copy(table, rows)
        after = self._count_inserted(table)
        if before is None or after is None:
            return sent
        self._inserted[table] = after
        return after - before

    def _count_inserted(self, table: str) -> int | None:
        """How many rows this transaction has put into a table; None where the server does not count."""
        found = self.rows(_INSERTED, *self._dialect.catalog_values(table))[0][0]
        return None if found is None else int(found)

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _leave(self) -> None:
        """Back to autocommit mode."""
        self._staged.clear()
        self._inserted.clear()
        try:
            if self._connection is not None:
                self._connection.adbc_connection.set_autocommit(True)
        except DRIVER_ERRORS:
            self._drop()

    def _copy(self, table: str, rows: pa.Table, *, temporary: bool = False) -> int:
        with self._server.speaking(self._drop), self._open().cursor() as cursor:
            return cursor.adbc_ingest(table, rows, schema=None if temporary else self._dialect.schema)

    def _open(self) -> Connection:
        if self._connection is None:
            raise DestinationUnavailable("the connection was lost.", where=self._server.name)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*DRIVER_ERRORS):
                connection.close()


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * _MILLISECONDS))
