"""The source SQLAlchemy: whatever database has a dialect for it. Found by `ports.registry`, read by `bief.run`.

The slow way, row by row through Python: PostgreSQL, MySQL, MariaDB and SQLite have ways of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from bief.base.secrets import Secret
from bief.batches.masking import Mask
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.sources.database.options import DatabaseOptions, DatabaseStream
from bief.sources.database.source import DatabaseSource
from bief.sources.database.sqlalchemy_session import Engine, SqlalchemySession


class SqlalchemyOptions(DatabaseOptions):
    """Tables, views and queries of any database that SQLAlchemy has a dialect for, and whose driver is installed.
    Needs `pip install 'bief[sqlalchemy]'`."""

    type: Literal["sqlalchemy"] = "sqlalchemy"
    """The kind of this source."""
    url: Secret = Field(examples=["${ERP_URL}", "oracle+oracledb://reader:${ERP_PASSWORD}@db.example.org:1521/erp"])
    """The URL of the database, in SQLAlchemy's way of writing, with user and password."""
    schema_: str | None = Field(default=None, alias="schema", examples=["sales"])
    """The schema of the tables, where a stream does not name another; that of the user if it is not given."""
    isolation: str | None = Field(default=None, examples=["SNAPSHOT", "SERIALIZABLE"])
    """The isolation level of a read, so that it sees one moment. REPEATABLE READ, or SERIALIZABLE for Oracle and
    SQLite, if it is not given; for Microsoft SQL Server it must be given: SNAPSHOT, if the database allows it."""


class SqlalchemySource(DatabaseSource[SqlalchemyOptions]):
    """See `ports.source.Source`."""

    Options: ClassVar[type[SqlalchemyOptions]] = SqlalchemyOptions
    kind: ClassVar[str] = "sqlalchemy"

    def __init__(self, name: str, options: SqlalchemyOptions, runtime: Runtime) -> None:
        super().__init__(name, options, runtime)
        self._engine = Engine(name, options.url, options.isolation, runtime.redactor)

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self) -> SqlalchemySession:
        return SqlalchemySession(self._engine, self._options.schema_)

    def _stream(self, name: str, stream: DatabaseStream) -> Stream:
        # What is hidden is hidden on the road: there is no SQL for it that all databases understand.
        return replace(super()._stream(name, stream), shape=stream.shape())

    def _hide(self, text_sql: str, mask: Mask | None) -> str:
        return text_sql

    def _caveats(self, stream: DatabaseStream) -> tuple[str, ...]:
        found = ["a read sees one moment only as far as the database's isolation level says so"]
        if stream.cursor is not None:
            found.append(f"a row committed later than the lookback after its `{stream.cursor}` was set can be missed")
        return tuple(found)
