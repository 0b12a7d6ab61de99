"""What the load protocol asks of a connection. Implemented once per database (`sql.postgres`, `sql.sqlite`,
`sql.duckdb`), used by `sql.loading` and its parts. Every method raises errors of `bief.errors`, in words without
secrets; parameters are `$1`, `$2`, … in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from bief.sql.dialect import Dialect

Row = tuple[Any, ...]
Result = TypeVar("Result")


class Session(Protocol):
    """One connection with at most one open transaction. Reconnects by itself at `begin`. Owned by one thread."""

    @property
    def dialect(self) -> Dialect: ...

    def begin(self, lock: str) -> None:
        """Start a writing transaction and queue behind any other that holds the same lock."""
        ...

    def commit(self) -> None:
        """End the transaction. `CommitInDoubt` if no answer came; any other error means that nothing was written."""
        ...

    def rollback(self) -> None:
        """Take everything back. Never raises: a connection that cannot do it is dropped, which does the same."""
        ...

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query, or of a statement with RETURNING."""
        ...

    def write(self, sql: str, *values: Any) -> int:
        """Run one INSERT, UPDATE, DELETE or MERGE. Gives the number of rows it wrote, counted by the database."""
        ...

    def run(self, sql: str) -> None:
        """Run one statement that gives nothing back."""
        ...

    def stage(self, name: str, rows: pa.Table) -> None:
        """Make rows readable as the temporary table `dialect.temporary(name)` until the transaction ends."""
        ...

    def unstage(self, name: str) -> None:
        """Forget staged rows before the end of the transaction."""
        ...

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        """The rows of a query, with the columns and types (of `batches.schema`) that it is known to have."""
        ...

    def attempt(self, work: Callable[[], Result]) -> Result:
        """Do a piece of writing; if it raises `RowsRefused`, only this piece is taken back and the transaction stays
        usable. Only where `dialect.takes_back_statements`."""
        ...

    def append(self, table: str, rows: pa.Table, load_id: int | None = None) -> int:
        """Add rows to a table, with Bief's own columns if a load id is given. Gives their number, as `write` does."""
        ...

    def close(self) -> None:
        """Let go of the connection. Can be called twice."""
        ...


@contextmanager
def transaction(session: Session, turn: AbstractContextManager[Any], lock: str) -> Iterator[None]:
    """A writing transaction that is taken back on any error. The body commits."""
    with turn:
        session.begin(lock)
        try:
            yield
        except BaseException:
            session.rollback()
            raise
