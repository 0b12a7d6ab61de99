"""The tables that loads go into: what the catalog says of them, and the DDL that makes and changes them.

Called by `sql.loading` inside the load's transaction, so that a change of a table is visible with the rows that
asked for it or not at all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bief.batches.schema import name_of
from bief.errors import DestinationRefused
from bief.ports.destination import AddColumn, Change, Target, WidenColumn
from bief.sql import statements
from bief.sql.dialect import Dialect
from bief.sql.names import HISTORY_COLUMNS, IS_CURRENT, LOADED_AT, OWN_COLUMNS, VALID_FROM, VALID_TO
from bief.sql.session import Session


@dataclass(frozen=True)
class Table:
    """A table as the catalog describes it: the columns that Bief can fill, its own, and those it has no type for.

    `exact`: every column has the very type that Bief would have given it.
    """

    name: str
    columns: Mapping[str, pa.DataType]
    own: frozenset[str]
    strange: Mapping[str, str]
    exact: bool

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(self.columns.items()))


def read_table(session: Session, name: str, *, history: bool) -> Table | None:
    """The table as it is now; None if there is none."""
    dialect = session.dialect
    return table_of(dialect, name, session.rows(dialect.columns_query, *dialect.catalog_values(name)), history=history)


def table_of(dialect: Dialect, name: str, found: Sequence[Sequence[Any]], *, history: bool) -> Table | None:
    """The table of which `found` is what the catalog's query said; None if it said nothing."""
    if not found:
        return None
    own = {*OWN_COLUMNS, *(HISTORY_COLUMNS if history else ())}
    declared = {str(column): str(kind) for column, kind in found if column not in own}
    types = {column: dialect.type_of(kind) for column, kind in declared.items()}
    return Table(
        name=name,
        columns={column: arrow_type for column, arrow_type in types.items() if arrow_type is not None},
        own=frozenset(str(column) for column, _ in found if column in own),
        strange={column: declared[column] for column, arrow_type in types.items() if arrow_type is None},
        exact=all(dialect.is_exact(kind) for kind in declared.values()),
    )


class Tables:
    """Makes and changes the tables of one target."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._target = target
        self._history = target.mode == "history"

    @property
    def _dialect(self) -> Dialect:
        return self._session.dialect

    @property
    def max_identifier_bytes(self) -> int:
        return self._dialect.max_identifier_bytes

    def read(self, name: str) -> Table | None:
        return read_table(self._session, name, history=self._history)

    def count(self, name: str) -> int:
        sentence = statements.COUNT.format(table=self._dialect.table(name))
        return int(self._session.rows(sentence)[0][0])

    def has_rows(self, name: str) -> bool:
        return bool(self._session.rows(statements.ANY_ROW.format(table=self._dialect.table(name))))

    def create(self, name: str, columns: Mapping[str, pa.DataType], load_id: int) -> Table:
        """Make a table with these columns, Bief's own, and the key that the mode needs."""
        definitions = [
            *(f"{self._dialect.quote(column)} {self._dialect.type_sql(kind)}" for column, kind in columns.items()),
            *(self._own_definition(column) for column in self._own_columns()),
        ]
        self._run(statements.CREATE_TABLE, table=self._dialect.table(name), definitions=", ".join(definitions))
        self._make_keys(name, columns, load_id)
        self._make_cursor_index(name, columns, load_id)
        return self._must(name)

    def change(self, table: Table, changes: Sequence[Change]) -> Table:
        """Add and widen columns of a table that is there."""
        for change in changes:
            match change:
                case AddColumn(column, arrow_type) if table.columns.get(column) == arrow_type:
                    continue
                case AddColumn(column, arrow_type):
                    self._refuse_strange(table, column)
                    self._add_column(table.name, column, self._dialect.type_sql(arrow_type))
                case WidenColumn(column, _, new) if table.columns.get(column) == new:
                    continue
                case WidenColumn(column, _, new):
                    self.widen(table, column, new)
                    table = self._must(table.name)
        return self._must(table.name) if changes else table

    def add(self, table: Table, columns: Mapping[str, pa.DataType]) -> Table:
        """Add columns to a table that is there."""
        return self.change(table, [AddColumn(name, kind) for name, kind in columns.items()])

    def widen(self, table: Table, column: str, new: pa.DataType) -> None:
        """Give a column another type, and its values with it."""
        old = table.columns.get(column)
        if old is None:
            raise DestinationRefused(
                f"the table {table.name} has no column '{column}' that could be widened.",
                do="It was changed by hand since the run began: run again.",
            )
        value = self._dialect.widened(self._dialect.quote(column), old, new)
        self.retype(table, {column: (new, value)})

    def retype(self, table: Table, types: Mapping[str, tuple[pa.DataType, str]]) -> None:
        """Give columns other types; each value becomes what its SQL expression says."""
        for column, (arrow_type, value) in types.items():
            self._run(
                statements.CHANGE_TYPE,
                table=self._dialect.table(table.name),
                column=self._dialect.quote(column),
                type=self._dialect.type_sql(arrow_type),
                value=value,
            )

    def own_columns(self, table: Table) -> Table:
        """Give a table that was made by hand the columns that Bief writes in every row."""
        missing = [column for column in OWN_COLUMNS if column not in table.own]
        lacking = [column for column in self._own_columns() if column not in (*table.own, *missing)]
        if lacking:
            raise DestinationRefused(
                f"the table {table.name} was not made for history: it has no column {', '.join(lacking)}.",
                do="Load into another table, or move this one out of the way.",
            )
        for column in missing:
            self._add_column(table.name, column, self._own_type(column))
            default = self._own_default(column)
            if default:
                self._run(statements.SET_DEFAULT, table=self._dialect.table(table.name), column=column, default=default)
        return self._must(table.name) if missing else table

    def require_key(self, table: Table, load_id: int, *, make: bool) -> None:
        """In merge mode, see to the unique index that ON CONFLICT needs: made if allowed, else asked for."""
        key = self._target.primary_key
        if self._target.mode != "merge" or not self._dialect.unique_keys or not set(key) <= set(table.columns):
            return
        if set(key) in self._unique_keys(table.name):
            return
        if make:
            self._make_keys(table.name, table.columns, load_id)
            return
        raise DestinationRefused(
            f"the table {table.name} has no unique index on {', '.join(key)}, which the mode merge needs.",
            do="It was made by hand or by another mode: add the index, or rebuild the table with --full-refresh.",
        )

    def rename(self, old: str, new: str) -> None:
        self._run(statements.RENAME_TABLE, table=self._dialect.table(old), name=self._dialect.quote(new))

    def drop(self, name: str) -> None:
        self._run(statements.DROP_TABLE, table=self._dialect.table(name))

    def empty(self, name: str) -> int:
        return self._session.write(statements.EMPTY_TABLE.format(table=self._dialect.table(name)))

    def keep_newest(self, staging: Table) -> int:
        """Of rows with the same primary key, which moved while a round was read, leave those that came last."""
        dialect, key = self._dialect, self._target.primary_key
        if not key or not set(key) <= set(staging.columns):
            return 0
        return self._session.write(
            statements.KEEP_NEWEST.format(
                table=dialect.table(staging.name),
                key=dialect.names(key),
                keys_of_t=dialect.names(key, "t"),
                same_key=" AND ".join(f"t.{dialect.quote(name)} = s.{dialect.quote(name)}" for name in key),
                row_id=dialect.row_id,
            )
        )

    def move_rows(self, staging: Table, into: str) -> int:
        """Copy all rows of a staging table."""
        columns = self._dialect.names([*staging.columns, *sorted(staging.own)])
        return self._session.write(
            statements.MOVE_ROWS.format(
                table=self._dialect.table(into), columns=columns, staging=self._dialect.table(staging.name)
            )
        )

    def _make_keys(self, name: str, columns: Iterable[str], load_id: int) -> None:
        """The index of a mode. Its name must be free, also after its table was renamed: the load's number is in it."""
        target = self._target
        if not self._dialect.unique_keys or not target.primary_key or not set(target.primary_key) <= set(columns):
            return
        keyed_append = target.mode == "append" and target.version_column in set(columns)
        if target.mode not in ("merge", "history") and not keyed_append:
            return
        self._run(
            statements.CREATE_INDEX,
            unique="" if keyed_append else "UNIQUE",
            name=self._dialect.quote(f"_bief_key_{load_id}_{zlib.crc32(name.encode()):08x}"),
            table=self._dialect.table(name),
            columns=self._dialect.names(target.primary_key),
            where=f"WHERE {IS_CURRENT}" if self._history else "",
        )

    def _make_cursor_index(self, name: str, columns: Iterable[str], load_id: int) -> None:
        """An index on the column that tells versions apart: what people ask a table for is mostly what is new."""
        cursor = self._target.version_column
        if cursor is None or cursor not in set(columns) or not self._dialect.unique_keys:
            return
        if self._target.primary_key[:1] == (cursor,):
            return
        self._run(
            statements.CREATE_INDEX,
            unique="",
            name=self._dialect.quote(f"_bief_cursor_{load_id}_{zlib.crc32(name.encode()):08x}"),
            table=self._dialect.table(name),
            columns=self._dialect.quote(cursor),
            where="",
        )

    def _unique_keys(self, name: str) -> list[set[str]]:
        keys: dict[str, set[str]] = {}
        for index, column in self._session.rows(self._dialect.keys_query, *self._dialect.catalog_values(name)):
            keys.setdefault(str(index), set()).add(str(column))
        return list(keys.values())

    def _own_columns(self) -> tuple[str, ...]:
        return (*(HISTORY_COLUMNS if self._history else ()), *OWN_COLUMNS)

    def _own_type(self, column: str) -> str:
        kind = {LOADED_AT: "timestamp", VALID_FROM: "timestamp", VALID_TO: "timestamp", IS_CURRENT: "boolean"}
        return self._dialect.types[kind.get(column, "integer")]

    def _own_default(self, column: str) -> str:
        return self._dialect.loaded_at_default if column == LOADED_AT else ""

    def _own_definition(self, column: str) -> str:
        default = self._own_default(column)
        return f"{column} {self._own_type(column)}" + (f" DEFAULT {default}" if default else "")

    def _add_column(self, table: str, column: str, sql_type: str) -> None:
        self._run(
            statements.ADD_COLUMN,
            table=self._dialect.table(table),
            column=self._dialect.quote(column),
            type=sql_type,
        )

    def _must(self, name: str) -> Table:
        table = self.read(name)
        if table is None:
            raise DestinationRefused(f"the table {name} is not in the catalog though it was just made.")
        return table

    def _refuse_strange(self, table: Table, column: str) -> None:
        found = table.strange.get(column) or (name_of(table.columns[column]) if column in table.columns else None)
        if found:
            raise DestinationRefused(
                f"the column '{column}' of {table.name} has the type {found}, which does not fit what is loaded.",
                do="It was made or changed by hand: give it a type that Bief knows, or rename the source's column.",
            )

    def _run(self, sentence: str, **words: str) -> None:
        self._session.run(sentence.format(**words))
