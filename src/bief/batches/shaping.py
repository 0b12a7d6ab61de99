"""What a stream asks to be done to its columns before they are guarded: the declaration, and the doing.

The dataclasses are made by `config.streams`; `shape` and `deduplicate_rows` are called by `run.ingest`, which hands
the rows on to `guard.contract`. Types are not cast here: a value that does not fit its type must become a rejected
row, and that is the contract's work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from bief.base.names import column_names
from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER
from bief.batches.casting import as_text, natural
from bief.batches.keys import all_differ, first_of_each
from bief.batches.masking import Mask, masked
from bief.batches.schema import TEXT
from bief.errors import SourceMisread


@dataclass(frozen=True)
class ColumnRule:
    """What happens to one column, named by its table name before renaming (`customer__id`).

    `type`: cast to this type, whatever the values look like. `hash`: the hexadecimal SHA-256 of the value's text
    takes its place. `mask`: only what the mask leaves is seen. `drop`: the column never leaves the source. What hides
    `customer` also covers `customer__id` and everything else below it.
    """

    type: pa.DataType | None = None
    rename: str | None = None
    hash: bool = False
    drop: bool = False
    mask: Mask | None = None

    @property
    def hidden(self) -> bool:
        """Whether the values of the column must not be seen."""
        return self.drop or self.hash or self.mask is not None


@dataclass(frozen=True)
class Shape:
    """The shaping of one stream.

    `trim`: white space around texts goes. `deduplicate`: rows of one batch that are equal in all columns become one
    (rows with the same primary key become one in any case, the last of them, in modes that have one row per key).
    """

    trim: bool = False
    deduplicate: bool = False
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)

    def reader_types(self) -> dict[str, pa.DataType]:
        """The types by column name before renaming, for `batches.rows.RecordReader`.

        A hashed or masked column is read as text, so that its hash is that of the source's own text (`1.50`, not
        `1.5`).
        """
        read_as = {name: TEXT if rule.hidden else rule.type for name, rule in self.columns.items() if not rule.drop}
        return {name: arrow_type for name, arrow_type in read_as.items() if arrow_type is not None}

    def table_types(self) -> dict[str, pa.DataType]:
        """The declared types by column name in the table, for `guard.contract.fit`; a hash is a text, and so
        is what a mask leaves."""
        return {self.columns[name].rename or name: arrow_type for name, arrow_type in self.reader_types().items()}

    def hides(self, column: str) -> bool:
        """Whether the values of that column (by its name before renaming) must not be seen as they are."""
        return any(rule.hidden for rule in self._over(column))

    def drops(self, column: str) -> bool:
        """Whether that column, or an object that it is part of, is dropped."""
        return any(rule.drop for rule in self._over(column))

    def mask(self, column: str) -> Mask | None:
        """The mask over that column; None if it is hashed, dropped or free to be seen: a hash shows less."""
        rules = [rule for rule in self._over(column) if rule.hidden]
        return rules[0].mask if rules and not any(rule.hash or rule.drop for rule in rules) else None

    def _over(self, column: str) -> Iterator[ColumnRule]:
        """The rules of the column and of the objects that it is part of, outermost first."""
        parts = column.split("__")
        names = ("__".join(parts[:count]) for count in range(1, len(parts) + 1))
        return (self.columns[name] for name in names if name in self.columns)


def shape(rows: pa.Table, shape: Shape) -> pa.Table:
    """The rows with names of the table and natural types, and with what the stream declares: trimmed, dropped,
    hashed, masked, renamed. ROW_NUMBER is kept. Raises `SourceMisread` if two columns end with one name.
    """
    sources = [name for name in rows.column_names if name != ROW_NUMBER]
    shaped: dict[str, Column] = {}
    for source, name in zip(sources, column_names(sources), strict=True):
        if shape.drops(name):
            continue
        column = rows.column(source)
        if not pa.types.is_null(column.type):
            # A column of type null stays one: it says that its source knows no type for it.
            column = natural(column)
        if shape.trim and column.type == TEXT:
            column = pc.utf8_trim_whitespace(column)
        if shape.hides(name):
            mask = shape.mask(name)
            column = masked(as_text(column), mask) if mask else _hashed(column)
        rule = shape.columns.get(name)
        final = rule.rename if rule is not None and rule.rename else name
        if final in shaped:
            raise SourceMisread(
                f"Two columns are called '{final}' after renaming; one of them is '{name}' of the source.",
                do=f"Rename '{name}' to something else, or drop it.",
            )
        shaped[final] = column
    if ROW_NUMBER in rows.column_names:
        shaped[ROW_NUMBER] = rows.column(ROW_NUMBER)
    # Without this, a table of no columns would forget how many rows it has.
    return arrow.table(shaped) if shaped else rows.select([])


def deduplicate_rows(rows: pa.Table) -> tuple[pa.Table, int]:
    """The first of each set of rows that are equal in all columns, in their old order, and how many are gone."""
    names = [name for name in rows.column_names if name != ROW_NUMBER]
    if not names:
        return rows, 0
    comparable = arrow.table({name: natural(rows.column(name)) for name in names})
    if all_differ(comparable, names):
        return rows, 0
    first = first_of_each(comparable, names)
    return rows.take(first), rows.num_rows - len(first)


def _hashed(column: Column) -> Column:
    texts = as_text(column).to_pylist()
    return arrow.chunked_array(
        [[None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in texts]], type=TEXT
    )
