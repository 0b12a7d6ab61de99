"""What differs between the databases in the words of SQL. Each database has one `Dialect` value or subclass.

Read by `tables` (DDL and catalog) and `writing` (the four modes); the sentences themselves are in `statements`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from bief.batches.schema import name_of, type_named
from bief.sql.names import quoted

_DECIMAL_ARGUMENTS: Final = re.compile(r"\((\d+),\s*(\d+)\)$")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The words of one database.

    `types`: what each type name of `batches.schema` is called (`decimal` stands for all decimals). `also`: other
    names of the catalog that hold the same values. `now`: the time of the transaction, `clock`: that of
    the moment. `xid`: its number, if it has
    one. `unique_keys`: merge mode needs a unique index on the primary key. `takes_back_statements`: a
    refused statement does not end its transaction. `rules_query`: whether a table has rules that Bief did not make;
    without it every table may have some. `row_id`: what grows with each row of a new table. `columns_query` and
    `keys_query` read the catalog and take `catalog_values(table)`.
    """

    schema: str | None
    max_identifier_bytes: int
    types: Mapping[str, str]
    now: str
    clock: str
    columns_query: str
    keys_query: str
    also: Mapping[str, str] = field(default_factory=dict)
    loaded_at_default: str = ""
    xid: str = "NULL"
    for_update: str = ""
    distinct: str = "{left} IS DISTINCT FROM {right}"
    unique_keys: bool = True
    merge_statement: bool = False
    takes_back_statements: bool = True
    rules_query: str = ""
    row_id: str = "rowid"
    temporary_schema: str = "temp"

    def quote(self, name: str) -> str:
        return quoted(name, max_bytes=self.max_identifier_bytes)

    def names(self, columns: Sequence[str], alias: str = "") -> str:
        """Columns joined by commas, each with the alias of its table before it."""
        dot = f"{alias}." if alias else ""
        return ", ".join(dot + self.quote(column) for column in columns)

    def table(self, name: str) -> str:
        """A table of the destination, with its schema."""
        return f"{self.quote(self.schema)}.{self.quote(name)}" if self.schema else self.quote(name)

    def temporary(self, name: str) -> str:
        return f"{self.temporary_schema}.{self.quote(name)}"

    def catalog_values(self, table: str) -> tuple[str, ...]:
        return (self.schema, table) if self.schema else (table,)

    def type_sql(self, arrow_type: pa.DataType) -> str:
        """What the database calls a type."""
        name = name_of(arrow_type)
        head, _, arguments = name.partition("(")
        return f"{self.types[head]}({arguments}" if arguments else self.types[head]

    def type_of(self, declared: str) -> pa.DataType | None:
        """The type that a name in the catalog stands for; None if Bief has no name for it."""
        for name, sql in self.types.items():
            if sql == declared and name != "decimal":
                return type_named(name)
        head = declared.partition("(")[0]
        arguments = _DECIMAL_ARGUMENTS.search(declared)
        if head == self.types["decimal"] and arguments:
            return type_named(f"decimal({arguments[1]},{arguments[2]})")
        return type_named(self.also[head]) if head in self.also else None

    def is_exact(self, declared: str) -> bool:
        """Whether the column has the very type that Bief would give it, so that rows can go straight into it."""
        known = self.type_of(declared)
        return known is not None and declared.partition("(")[0] not in self.also

    def differs(self, left: str, right: str) -> str:
        """That two values are not the same, with NULL equal to NULL."""
        return self.distinct.format(left=left, right=right)

    def ordered(self, value: str, arrow_type: pa.DataType) -> str:
        """The value in a form that compares by its meaning."""
        return value

    def widened(self, value: str, old: pa.DataType, new: pa.DataType) -> str:
        """A stored value of the old type as one of the new type."""
        return f"CAST({value} AS {self.type_sql(new)})"
