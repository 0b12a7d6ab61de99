"""One row per primary key: the newest of a batch.

Called by `run.ingest` after the contract, for tables that have one row per key; hands its rows to the loader.
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
    if not keys or rows.num_rows < 2:  # noqa: PLR2004 - one row has no rival
        return rows, 0
    ordered = [order_by] if order_by is not None and order_by in rows.column_names else []
    names = [*dict.fromkeys([*keys, *ordered])]
    table = arrow.table({name: _plain(rows.column(name)) for name in names})
    table = table.append_column(_POSITION, arrow.array(range(rows.num_rows), pa.int64()))
    if ordered:
        by = [(name, "ascending", "at_start") for name in (*ordered, _POSITION)]
        table = table.take(pc.sort_indices(table, sort_keys=by))
    # "last" is only defined in one thread: the groups then see the rows in the order of the table.
    groups = table.group_by(list(keys), use_threads=False).aggregate([(_POSITION, "last")])
    if groups.num_rows == rows.num_rows:
        return rows, 0
    kept = groups.column(f"{_POSITION}_last")
    return rows.take(kept.take(pc.sort_indices(kept))), rows.num_rows - groups.num_rows


def _plain(column: Column) -> Column:
    return column.cast(column.type.storage_type) if isinstance(column.type, pa.BaseExtensionType) else column
