"""The source SQLite: one file. Found by `ports.registry`, read by `bief.run`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bief.batches.masking import MASKED, SHORTEST_WITH_LAST4, Mask
from bief.ports.runtime import Runtime
from bief.sources.database.options import DatabaseOptions, DatabaseStream
from bief.sources.database.source import DatabaseSource
from bief.sources.database.sqlite_session import SqliteSession


class SqliteSourceOptions(DatabaseOptions):
    """Tables, views and queries of a SQLite file, read only."""

    type: Literal["sqlite"] = "sqlite"
    """The kind of this source."""
    path: str = Field(min_length=1, examples=["shop.db", "/data/shop.db", "sqlite:///shop.db"])
    """The file; a relative path begins at the project folder. Not on a network disk."""
    lock_timeout_seconds: float = Field(default=30.0, ge=0, le=3600, examples=[30])
    """How long to wait for a writer that holds the whole file; then it is tried again."""


class SqliteSource(DatabaseSource[SqliteSourceOptions]):
    """See `ports.source.Source`."""

    Options: ClassVar[type[SqliteSourceOptions]] = SqliteSourceOptions
    kind: ClassVar[str] = "sqlite"

    def __init__(self, name: str, options: SqliteSourceOptions, runtime: Runtime) -> None:
        super().__init__(name, options, runtime)
        self._path = runtime.folder / Path(options.path.removeprefix("sqlite:///")).expanduser()

    def _connect(self) -> SqliteSession:
        return SqliteSession(self._path, self._options.lock_timeout_seconds)

    def _hide(self, text_sql: str, mask: Mask | None) -> str:
        if mask is None:
            return f"bief_sha256({text_sql})"
        covered = f"CASE WHEN {text_sql} IS NOT NULL THEN '{MASKED}' END"
        if mask == "last4":
            shown = f"'{MASKED}' || substr({text_sql}, -4)"
            return f"CASE WHEN length({text_sql}) >= {SHORTEST_WITH_LAST4} THEN {shown} ELSE {covered} END"
        if mask == "email":
            return f"CASE WHEN {text_sql} LIKE '_%@%' THEN bief_email({text_sql}) ELSE {covered} END"
        return covered

    def _caveats(self, stream: DatabaseStream) -> tuple[str, ...]:
        if stream.cursor is None:
            return ()
        return (f"a row committed later than `lookback_seconds` after its `{stream.cursor}` was set can be missed",)
