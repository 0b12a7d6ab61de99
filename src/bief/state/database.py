"""The two databases that a control store can be in, behind one small interface.

`state.store` and `state.leases` say the same SQL to both, with values as `:name`. Each block of `transaction` is one
short transaction; any number of threads and processes share the database.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

from bief.errors import RunError

_POSTGRES: Final = ("postgresql://", "postgres://", "postgresql+psycopg://")
_SQLITE: Final = "sqlite:///"


class Transaction(Protocol):
    """An open transaction."""

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query, or of a statement with RETURNING."""
        ...

    def write(self, sql: str, **values: Any) -> int:
        """Run one statement; gives the number of rows it changed."""
        ...


class Database(Protocol):
    """One database. `now` is SQL: seconds since 1970 by the clock of the database. `shown` names it without secrets."""

    now: str
    shown: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Commits at the end of the block, takes everything back on an error. Raises `DatabaseFailed`."""
        ...

    def has_table(self, transaction: Transaction, name: str) -> bool: ...

    def lock(self, transaction: Transaction) -> None:
        """Queue behind anybody else who is changing the tables, until the end of the transaction."""
        ...

    def close(self) -> None: ...


class DatabaseFailed(Exception):
    """The database refused a statement or cannot be reached. The message may hold secrets."""


def database_at(url: str) -> Database:
    """The database that a URL names. Raises RunError for a URL of another kind."""
    if url.startswith(_SQLITE):
        module = importlib.import_module("bief.state.sqlite")
        return cast("Database", module.SqliteDatabase(Path(unquote(url.removeprefix(_SQLITE)))))
    if url.startswith(_POSTGRES):
        # By name, since the driver costs a tenth of a second that most projects need not pay.
        module = importlib.import_module("bief.state.postgres")
        return cast("Database", module.PostgresDatabase(url.replace("postgresql+psycopg://", "postgresql://", 1)))
    raise RunError("`state.url` is not a database URL.", do="Write postgresql://user:password@host/database.")


def migrations() -> Iterator[tuple[str, list[str]]]:
    """The forms of the tables, oldest first: their numbers, and the statements that lead to each."""
    for file in sorted(Path(__file__).with_name("migrations").glob("*.sql")):
        lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("--"))
        yield file.stem, [part.strip() for part in "\n".join(lines).split(";\n") if part.strip()]


def as_rows(names: list[str], found: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    return [dict(zip(names, row, strict=True)) for row in found]
