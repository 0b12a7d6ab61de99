"""What a database says of the table, view or query behind a stream."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from bief.batches.schema import INTEGER


@dataclass(frozen=True)
class Column:
    """One column of a relation.

    `name` as the database spells it; `type_sql` the database's own name of its type, for casts of bounds. `type`: the
    type of `batches.schema` that the rows get. `sql`: the expression to select, in which nothing is lost on the way
    to Arrow. `text_sql`: the value's own text, for hashes, masks and positions. `declared`: the project file says the
    type, so that values of another type go on to the guard as texts. `undecided`: a number of which only the values
    tell how many digits it needs; `Session.settled` decides that for the whole read.
    """

    name: str
    type_sql: str
    type: pa.DataType
    sql: str
    text_sql: str
    declared: bool = False
    undecided: bool = False


@dataclass(frozen=True)
class Relation:
    """A table, view or query.

    `name` is for messages; `sql` stands between FROM and an alias. `key`: columns of a unique index without NULLs, in
    its order, the primary key if there is one; empty if nothing proves that there is a key. `rows`: an estimate.
    """

    name: str
    sql: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rows: int | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Bound:
    """The rows whose `column` is at least `text`, a value in the words of the database, less `lookback`.

    `lookback` is SQL to subtract (`interval '600 s'`, `1000`), empty for none.
    """

    column: Column
    text: str
    lookback: str = ""


@dataclass(frozen=True)
class Range:
    """The rows after one key and up to another, both in the words of the database; None: no end on that side."""

    after: tuple[str, ...] | None = None
    up_to: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Selection:
    """What one SELECT reads. `key` orders the rows and marks the positions; without it rows come as they come,
    and ranges are those of `place`."""

    relation: Relation
    columns: tuple[Column, ...]
    key: tuple[Column, ...] = ()
    place: tuple[Column, ...] = ()
    bound: Bound | None = None
    range: Range = Range()
    limit: int | None = None

    @property
    def key_texts(self) -> tuple[Column, ...]:
        """The columns of the key whose own text must be selected besides, as the rows do not show it."""
        return tuple(column for column in self.key if self.shown(column) is None)

    def shown(self, key: Column) -> int | None:
        """The place of the column that shows the exact text of a column of the key; None if there is none."""
        for place, column in enumerate(self.columns):
            if column.name == key.name and (column.type == key.type == INTEGER or column.sql == key.text_sql):
                return place
        return None


@dataclass(frozen=True)
class Measure:
    """A selection before it is read: how many rows, how many more that have no cursor, and the greatest cursor."""

    rows: int
    without_cursor: int
    greatest: str | None
