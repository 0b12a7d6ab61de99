"""Rows that name the same thing: one row per primary key, and the first row of each combination of values.

`last_per_key` is called by `run.guarding` after the contract, for tables that have one row per key; `first_of_each` by
the guard's check `unique`. Nothing is sorted or gathered while no two rows are alike, which costs one hash per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc

_POSITION: Final = "_bief_position"


def last_per_key(rows: pa.Table, keys: Sequence[str], order_by: str | None = None) -> tuple[pa.Table, int]:
    """The rows that are the newest of their key, in their old order, and how many older ones are gone.

    Newest: the greatest value of the column `order_by` (null is the lowest), then the last in the batch. Key columns
    must be there; without keys nothing is removed, and a column `order_by` that is not there does not count.
    """
    if not keys or all_differ(rows, keys):
        return rows, 0
    ordered = [order_by] if order_by is not None and order_by in rows.column_names else []
    table = _with_positions(rows, [*dict.fromkeys([*keys, *ordered])])
    if ordered:
        by = [(name, "ascending", "at_start") for name in (*ordered, _POSITION)]
        table = table.take(pc.sort_indices(table, sort_keys=by))
    # "last" is only defined in one thread: the groups then see the rows in the order of the table.
    groups = table.group_by(list(keys), use_threads=False).aggregate([(_POSITION, "last")])
    kept = groups.column(f"{_POSITION}_last")
    return rows.take(kept.take(pc.sort_indices(kept))), rows.num_rows - groups.num_rows


def all_differ(rows: pa.Table, names: Sequence[str]) -> bool:
    """Whether no two rows are equal in all these columns. Null is equal to null here."""
    if rows.num_rows < 2:  # noqa: PLR2004 - one row has no twin
        return True
    table = arrow.table({name: plain(rows.column(name)) for name in names})
    return bool(table.group_by(list(names), use_threads=False).aggregate([]).num_rows == rows.num_rows)


def first_of_each(rows: pa.Table, names: Sequence[str]) -> Column:
    """For each combination of values in these columns the place (int64) of the first row that has it, ascending."""
    firsts = _with_positions(rows, names).group_by(list(names)).aggregate([(_POSITION, "min")])
    places = firsts.column(f"{_POSITION}_min")
    return places.take(pc.sort_indices(places))


def _with_positions(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    columns = {name: plain(rows.column(name)) for name in names}
    table: pa.Table = arrow.table({**columns, _POSITION: arrow.arange(0, rows.num_rows)})
    return table


def plain(column: Column) -> Column:
    """Values that can be compared: of JSON the text."""
    return column.cast(column.type.storage_type) if isinstance(column.type, pa.BaseExtensionType) else column
