"""The source PostgreSQL (version 13 and later). Found by `ports.registry`, read by `bief.run`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from bief.base.secrets import Secret
from bief.batches.masking import MASKED, SHORTEST_WITH_LAST4, Mask
from bief.ports.runtime import Runtime
from bief.sources.database.options import DatabaseOptions, DatabaseStream
from bief.sources.database.postgres_session import PostgresSession
from bief.sources.database.source import DatabaseSource
from bief.sql.postgres.session import Server


class PostgresOptions(DatabaseOptions):
    """Tables, views and queries of a PostgreSQL database, read only."""

    type: Literal["postgres"] = "postgres"
    """The kind of this source."""
    url: Secret = Field(examples=["${SHOP_URL}", "postgresql://reader:${PG_PASSWORD}@db.example.org:5432/shop"])
    """Where the database is, with user and password. Keep it out of bief.yaml: `${SHOP_URL}` and `.env`."""
    schema_: str = Field(default="public", alias="schema", examples=["public", "sales"])
    """The schema of the tables, where a stream does not name another."""
    connect_timeout_seconds: float = Field(default=10.0, gt=0, examples=[10])
    """How long to wait for the server to answer a new connection."""
    statement_timeout_seconds: float = Field(default=86_400.0, gt=0, examples=[3600])
    """How long one query may take, until its last row is fetched. A day: a big table is one query, and waits for its
    destination."""
    lock_timeout_seconds: float = Field(default=30.0, gt=0, examples=[30])
    """How long to wait for a table that somebody has locked; then it is tried again."""


class PostgresSource(DatabaseSource[PostgresOptions]):
    """See `ports.source.Source`."""

    Options: ClassVar[type[PostgresOptions]] = PostgresOptions
    kind: ClassVar[str] = "postgres"

    def __init__(self, name: str, options: PostgresOptions, runtime: Runtime) -> None:
        super().__init__(name, options, runtime)
        self._server = Server(
            name=name,
            url=options.url,
            redactor=runtime.redactor,
            connect_timeout_seconds=options.connect_timeout_seconds,
            statement_timeout_seconds=options.statement_timeout_seconds,
            lock_timeout_seconds=options.lock_timeout_seconds,
            idle_timeout_seconds=0.0,
        )

    def _connect(self) -> PostgresSession:
        return PostgresSession(self._server, self._options.schema_)

    def _hide(self, text_sql: str, mask: Mask | None) -> str:
        if mask is None:
            return f"encode(sha256(convert_to({text_sql}, 'UTF8')), 'hex')"
        covered = f"CASE WHEN {text_sql} IS NOT NULL THEN '{MASKED}' END"
        if mask == "last4":
            shown = f"'{MASKED}' || right({text_sql}, 4)"
            return f"CASE WHEN length({text_sql}) >= {SHORTEST_WITH_LAST4} THEN {shown} ELSE {covered} END"
        if mask == "email":
            shown = f"left({text_sql}, 1) || '***@' || regexp_replace({text_sql}, '^.*@', '')"
            return f"CASE WHEN {text_sql} ~ '^.+@' THEN {shown} ELSE {covered} END"
        return covered

    def _caveats(self, stream: DatabaseStream) -> tuple[str, ...]:
        if stream.cursor is None:
            return ()
        reason = (
            "a row committed late can be missed where the user may not see the transactions of others, or where "
            f"`{stream.cursor}` is neither a time nor a number"
        )
        return (reason,)
