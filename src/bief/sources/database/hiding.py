"""What the project file says of single columns, done by the database itself: what is hidden never leaves it.

The shaping of other sources hides in Arrow (`batches.shaping`); both give the same values. `pushed` says what remains
for the road when the database has done its part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from bief.base.names import column_names
from bief.batches.masking import Mask
from bief.batches.schema import TEXT
from bief.batches.shaping import ColumnRule, Shape
from bief.errors import SourceMisread
from bief.sources.database.relations import Column, Relation

# The SQL of a hash (no mask: the SHA-256 of the text in UTF-8, hexadecimal) or of a mask of the text that is given.
Hider = Callable[[str, Mask | None], str]


def visible(relation: Relation, shape: Shape, hide: Hider) -> tuple[Column, ...]:
    """The columns to select: none that is dropped, and those that are hidden as hashes or masks.

    Raises `SourceMisread` if nothing is left, or if the project file speaks of a column that is not there.
    """
    names = column_names([column.name for column in relation.columns])
    unknown = sorted(shape.columns.keys() - set(names) - {each for name in names for each in _parents(name)})
    if unknown:
        raise SourceMisread(
            f"{relation.name} has no column {', '.join(unknown)}, of which `columns` speaks.",
            do=f"It has: {', '.join(names)}.",
        )
    found = tuple(
        _column(column, name, shape, hide)
        for column, name in zip(relation.columns, names, strict=True)
        if not shape.drops(name)
    )
    if not found:
        raise SourceMisread(f"{relation.name} has no column to read.", do="Take the stream out, or drop less.")
    return found


def hidden_names(relation: Relation, shape: Shape) -> frozenset[str]:
    """The columns, as the database spells them, that must not be seen, and so not stand in a position either."""
    names = [column.name for column in relation.columns]
    return frozenset(
        name for name, table_name in zip(names, column_names(names), strict=True) if shape.hides(table_name)
    )


def pushed(shape: Shape) -> Shape:
    """What is left to shape after the database has dropped, hashed and masked."""
    return replace(shape, columns={name: _left(rule) for name, rule in shape.columns.items() if not rule.drop})


def _left(rule: ColumnRule) -> ColumnRule:
    if not rule.hidden:
        return rule
    return ColumnRule(type=TEXT, rename=rule.rename)


def _column(column: Column, name: str, shape: Shape, hide: Hider) -> Column:
    if shape.hides(name):
        return replace(column, type=TEXT, sql=hide(column.text_sql, shape.mask(name)), undecided=False)
    rule = shape.columns.get(name)
    if rule is None or rule.type is None:
        return column
    if rule.type == TEXT:
        return replace(column, type=TEXT, sql=column.text_sql, declared=True, undecided=False)
    if pa.types.is_decimal(rule.type) and (column.undecided or pa.types.is_decimal(column.type)):
        return replace(column, type=rule.type, declared=True, undecided=False)
    return column


def _parents(name: str) -> Iterator[str]:
    parts = name.split("__")
    return ("__".join(parts[:count]) for count in range(1, len(parts)))
