"""Destinations to test, by kind: how to reach each, and how somebody else reads and changes it by hand.

`Place` is all that the conformance suite and the fault tests know of a destination. A new destination adds itself to
`PLACES`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from postgres_server import execute

from bief.batches.batch import Position, RejectedRow
from bief.destinations.duckdb import DuckdbDestination, DuckdbOptions
from bief.destinations.postgres import PostgresDestination, PostgresOptions
from bief.destinations.sqlite import SqliteDestination, SqliteOptions
from bief.ports.destination import AddColumn, Change, Load, Target
from bief.ports.runtime import Runtime

SCHEMA = "pennylane"


@dataclass
class Place:
    """A database and the way to it. `open` makes a destination, as each process would make its own."""

    kind: str
    where: str
    folder: Path
    _open: Callable[[Place], Any]
    _by_hand: Callable[[Place, Sequence[str]], None]
    opened: list[Any] = field(default_factory=list)

    def open(self) -> Any:
        destination = self._open(self)
        self.opened.append(destination)
        return destination

    @property
    def first(self) -> Any:
        return self.opened[0] if self.opened else self.open()

    def by_hand(self, *statements: str) -> None:
        """What somebody with a shell does to the database."""
        self._by_hand(self, statements)

    def table(self, name: str) -> str:
        return f'{SCHEMA}."{name}"' if self.kind == "postgres" else f'"{name}"'

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query; `{name}` in braces becomes the full name of that table."""
        return list(self.first.query(sql).to_pylist())

    def all(self, table: str, order: str = "id") -> list[dict[str, Any]]:
        """All rows of a table without Bief's own columns."""
        found = self.rows(f"SELECT * FROM {self.table(table)} ORDER BY {order}")
        return [{key: value for key, value in row.items() if not key.startswith("_")} for row in found]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {self.table(table)}")[0]["n"])

    def close(self) -> None:
        for destination in self.opened:
            destination.close()


def _runtime(place: Place) -> Runtime:
    return Runtime(folder=place.folder)


def _postgres(place: Place) -> PostgresDestination:
    return PostgresDestination(
        "warehouse", PostgresOptions(type="postgres", url=place.where, schema=SCHEMA), _runtime(place)
    )


def _sqlite(place: Place) -> SqliteDestination:
    return SqliteDestination("warehouse", SqliteOptions(type="sqlite", path=place.where), _runtime(place))


def _duckdb(place: Place) -> DuckdbDestination:
    return DuckdbDestination("warehouse", DuckdbOptions(type="duckdb", path=place.where), _runtime(place))


def _postgres_by_hand(place: Place, statements: Sequence[str]) -> None:
    execute(place.where, *statements)


def _sqlite_by_hand(place: Place, statements: Sequence[str]) -> None:
    with contextlib.closing(sqlite3.connect(place.folder / place.where, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _duckdb_by_hand(place: Place, statements: Sequence[str]) -> None:
    with contextlib.closing(place.first._file.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)


def place_of(kind: str, folder: Path, postgres_url: str = "") -> Place:
    """A fresh place of a kind."""
    if kind == "postgres":
        return Place(kind, postgres_url, folder, _postgres, _postgres_by_hand)
    if kind == "sqlite":
        return Place(kind, "data/warehouse.db", folder, _sqlite, _sqlite_by_hand)
    return Place(kind, "data/warehouse.duckdb", folder, _duckdb, _duckdb_by_hand)


PLACES = ("postgres", "sqlite", "duckdb")


def target(mode: str = "merge", **changes: Any) -> Target:
    """A target with the words that the tests use."""
    words: dict[str, Any] = {
        "pipeline": "shop",
        "stream": "orders",
        "table": "orders",
        "mode": mode,
        "run_id": "run-1",
        "primary_key": ("id",),
    }
    return Target(**{**words, **changes})


def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows in the types of a schema, JSON as text."""
    columns = []
    for column in schema:
        values = [row.get(column.name) for row in rows]
        if isinstance(column.type, pa.BaseExtensionType):
            storage = pa.array(values, column.type.storage_type)
            columns.append(pa.ExtensionArray.from_storage(column.type, storage))
        else:
            columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def load(
    rows: pa.Table,
    step: int,
    *,
    complete: bool = False,
    changes: Sequence[Change] | None = None,
    rejected: Sequence[RejectedRow] = (),
    **more: Any,
) -> Load:
    """A load of rows that leads to position `step`, with a batch id of its own. `changes` None adds every column."""
    added = [AddColumn(column.name, column.type) for column in rows.schema] if changes is None else changes
    words: dict[str, Any] = {
        "batch_id": uuid.uuid4().hex,
        "read": rows.num_rows + len(rejected),
        "position": Position({"step": step}, complete),
    }
    return Load(rows=rows, changes=added, rejected=rejected, **{**words, **more})


def stored(value: Any, arrow_type: pa.DataType) -> Any:
    """A value that was read back, as a Python value of its logical type: SQLite keeps exact values as texts."""
    if value is None or not isinstance(value, str | int):
        return value
    if pa.types.is_decimal(arrow_type):
        return Decimal(value)
    if pa.types.is_timestamp(arrow_type):
        return datetime.fromisoformat(str(value))
    if pa.types.is_date(arrow_type):
        return date.fromisoformat(str(value))
    return bool(value) if pa.types.is_boolean(arrow_type) else value
