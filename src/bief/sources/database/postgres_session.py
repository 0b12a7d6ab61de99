"""One connection to PostgreSQL that only reads. Implements `session.Session`.

Rows come by ADBC: a binary COPY of one SELECT, as Arrow batches, of which only one is in memory at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import pc
from bief.batches.schema import TEXT
from bief.errors import (
    DestinationError,
    DestinationUnavailable,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from bief.sources.database import postgres_ranges, postgres_watermark
from bief.sources.database.options import DatabaseStream
from bief.sources.database.postgres_catalog import relation_of
from bief.sources.database.postgres_types import open_decimal, quoted
from bief.sources.database.relations import Column, Measure, Range, Relation, Selection
from bief.sources.database.session import Watermark
from bief.sources.database.statements import ALIAS, Words, measure, select, where
from bief.sql.postgres.driver import Cursor
from bief.sql.postgres.errors import translated
from bief.sql.postgres.session import DRIVER_ERRORS, Server

_SETTINGS: Final = {
    "application_name": postgres_watermark.APPLICATION,
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    # A read waits for its destination: an idle moment in the middle of it is no fault.
    "idle_in_transaction_session_timeout": "0",
}
_ISOLATED: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BATCH_BYTES: Final = 12 * 2**20
# Undefined column, undefined table: something that was there when the catalog was asked.
_GONE: Final = ("42703", "42P01")
_ADVICE: Final = {
    "42501": "GRANT SELECT on the table, and USAGE on its schema, to the user of this source.",
    "57014": "Raise `statement_timeout_seconds` of this source, if the query needs that long.",
    "22021": "The database does not say how its texts are encoded (SQL_ASCII), and this one is not in UTF-8: leave the "
    "column out, or read it as encode(name::bytea, 'hex') in a `query`.",
    "55P03": "Somebody holds a lock on the table.",
}
_CODE_OF: Final = (
    ("conflict with recovery", "40001"),
    ("statement timeout", "57014"),
    ("invalid byte sequence", "22021"),
)
# The driver counts days and microseconds from 1970 and lets infinity overflow: what is below the year 4713 BC is none.
_LOWEST_DAY: Final = -2_440_589
_LOWEST_MICROSECOND: Final = _LOWEST_DAY * 86_400_000_000
_INFINITIES: Final = {
    -9222425352054775809: "infinity",
    -9222425352054775808: "-infinity",
    -2147472692: "infinity",
    -2147472691: "-infinity",
}


def _bound(text: str, type_sql: str) -> str:
    return f"{_literal(text)}::{type_sql}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


WORDS: Final = Words(quote=quoted, bound=_bound, text=lambda sql: f"{sql}::text")


class PostgresSession:
    """See `session.Session`. `snapshot`: the name of one that another session has exported."""

    def __init__(self, server: Server, schema: str, *, snapshot: str | None = None) -> None:
        self._server = server
        self._schema = schema
        self._snapshot = snapshot
        self._cursor: Cursor | None = None
        self._relation: Relation | None = None
        try:
            self._connection = server.connect()
        except DestinationError as error:
            raise _as_source(error) from None
        settings = {
            **_SETTINGS,
            "statement_timeout": str(round(server.statement_timeout_seconds * 1000)),
            "lock_timeout": str(round(server.lock_timeout_seconds * 1000)),
        }
        asked = ", ".join(f"set_config({_literal(name)}, {_literal(value)}, false)" for name, value in settings.items())
        self._ask(f"SELECT {asked}")

    def describe(self, stream: str, options: DatabaseStream) -> Relation:
        self._relation = relation_of(self._ask, self._names_of, stream, options, self._schema)
        return self._relation

    def watermark(self, cursor: Column, options: DatabaseStream) -> Watermark:
        if self._relation is None:
            raise ValueError("a watermark is asked after `describe`")
        return postgres_watermark.watermark(self._ask, self._relation, cursor, options)

    def lookback(self, cursor: Column, options: DatabaseStream) -> str:
        return postgres_watermark.lookback(cursor, options)

    def begin(self) -> None:
        with self._speaking():
            self._connection.adbc_connection.set_autocommit(False)
        self._ask(_ISOLATED)
        if self._snapshot is not None:
            try:
                self._ask(f"SET TRANSACTION SNAPSHOT {_literal(self._snapshot)}")
            except SourceRefused as error:
                # The session that exported it is gone, and its snapshot with it.
                raise SourceUnavailable(error.what, where=error.where) from None

    def measure(self, selection: Selection, cursor: Column) -> Measure:
        return Measure(*self._ask(measure(selection, cursor, WORDS))[0])

    def settled(self, selection: Selection) -> Selection:
        """Numbers without declared digits get the type that holds all of them, by one look at their lengths."""
        selection = replace(selection, place=() if selection.key else (postgres_ranges.PLACE,))
        undecided = [column for column in selection.columns if column.undecided]
        if not undecided:
            return selection
        asked = ", ".join(
            # NaN and infinity have no scale.
            f"max(min_scale({name}))::bigint, "
            f"max(length(CASE WHEN scale({name}) IS NOT NULL THEN trunc(abs({name}))::text END))::bigint"
            for name in (quoted(column.name) for column in undecided)
        )
        limit = f" LIMIT {selection.limit}" if selection.limit is not None else ""
        source = f"(SELECT * FROM {selection.relation.sql} AS {ALIAS}{where(selection, WORDS)}{limit}) AS s"  # noqa: S608 - quoted
        found = self._ask(f"SELECT {asked} FROM {source}")[0]  # noqa: S608 - quoted
        types = {
            column.name: open_decimal(scale or 0, digits or 1)
            for column, scale, digits in zip(undecided, found[::2], found[1::2], strict=True)
        }
        columns = tuple(replace(each, type=types.get(each.name, each.type)) for each in selection.columns)
        return replace(selection, columns=columns)

    def ranges(self, selection: Selection, parts: int) -> Sequence[Range]:
        return postgres_ranges.ranges(self._ask, selection, parts)

    def beside(self) -> PostgresSession:
        name = str(self._ask("SELECT pg_export_snapshot()")[0][0])
        session = PostgresSession(self._server, self._schema, snapshot=name)
        session.begin()
        return session

    def batches(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        with self._speaking():
            cursor = self._cursor = self._connection.cursor()
            cursor.execute(select(selection, WORDS), batch_bytes=_BATCH_BYTES)
            reader = cursor.fetch_record_batch()
        try:
            while True:
                with self._speaking():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield _with_infinities(batch)
        finally:
            self._end_query()

    def close(self) -> None:
        self._end_query()
        with contextlib.suppress(*DRIVER_ERRORS):
            self._connection.close()

    def _end_query(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with contextlib.suppress(*DRIVER_ERRORS):
                cursor.adbc_statement.cancel()
            with contextlib.suppress(*DRIVER_ERRORS):
                cursor.close()

    def _ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._speaking(), self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def _names_of(self, query: str) -> list[str]:
        with self._speaking(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetch_record_batch().schema.names)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            sqlstate, message = self._server.read_error(error)
            # In the middle of a result the driver gives the words of the server without its code.
            sqlstate = sqlstate or next((code for words, code in _CODE_OF if words in message), None)
            raise _as_source(translated(sqlstate, message, where=self._server.name), sqlstate) from None


def _as_source(error: DestinationError, sqlstate: str | None = None) -> SourceError:
    """The toolkit speaks of destinations; the words are the same for a source."""
    do = _ADVICE.get(sqlstate or "", error.do.replace("destination", "source"))
    if sqlstate in _GONE:
        return SourceChanged(error.what, where=error.where, do=do)
    if isinstance(error, DestinationUnavailable):
        return SourceUnavailable(error.what, where=error.where, do=do)
    return SourceRefused(error.what, where=error.where, do=do)


def _with_infinities(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with texts in each column of times or days that holds one which Arrow cannot: `infinity`."""
    columns = [_in_range(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _in_range(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        numbers, lowest = column.cast(pa.int64()), _LOWEST_MICROSECOND
    elif pa.types.is_date32(column.type):
        numbers, lowest = column.cast(pa.int32()), _LOWEST_DAY
    else:
        return column
    smallest = pc.min(numbers).as_py()
    if smallest is None or smallest >= lowest:
        return column
    usual = pc.if_else(pc.greater_equal(numbers, lowest), column, pa.scalar(None, column.type)).cast(TEXT)
    texts = [
        text if number is None or number >= lowest else _INFINITIES.get(number, "a time after the year 294247")
        for text, number in zip(usual.to_pylist(), numbers.to_pylist(), strict=True)
    ]
    return pa.array(texts, TEXT)
