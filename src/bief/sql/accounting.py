"""What must be true of a load before it may land: keys that name one row each, columns and types that fit, and the
conservation law. Called by `sql.loading`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from bief.batches.schema import name_of
from bief.errors import DestinationRefused, RowsUnaccounted
from bief.ports.destination import AddColumn, Load, Target
from bief.sql.names import refuse_taken_column
from bief.sql.tables import Table


def check_load(load: Load, target: Target) -> None:
    """What can be seen without the database."""
    history = target.mode == "history"
    for change in load.changes:
        if isinstance(change, AddColumn):
            refuse_taken_column(change.name, history=history)
    if target.primary_key and target.mode in ("merge", "history"):
        _check_keys(load.rows, target.primary_key, target.table)
    elif target.primary_key and target.mode == "append" and target.version_column in load.rows.column_names:
        # Two versions of one row are two rows here.
        _check_keys(load.rows, target.primary_key, target.table, version=target.version_column)


def check_rows(load: Load, table: Table) -> None:
    """Whether every column of the rows is in the table, with the table's type."""
    if load.rows.num_rows == 0:
        return
    for field in load.rows.schema:
        known = table.columns.get(field.name)
        if known == field.type:
            continue
        found = table.strange.get(field.name) or ("no such column" if known is None else name_of(known))
        raise DestinationRefused(
            f"the rows have a column '{field.name}' of type {field.type}, and {table.name} has {found}.",
            do="If the table was changed by hand, change it back or rebuild it with --full-refresh.",
        )


def check_balance(load: Load, *, loaded: int, superseded: int, rejected: int) -> None:
    """The conservation law, with the numbers that the database counted."""
    accounted = loaded + superseded + load.deduplicated + rejected + load.filtered
    if accounted == load.read:
        return
    raise RowsUnaccounted(
        f"{load.read} records were read, and {accounted} are accounted for: {loaded} loaded, "
        f"{superseded + load.deduplicated} deduplicated, {rejected} rejected, {load.filtered} filtered.",
        do="Nothing of this load was written. This is a fault in Bief: please report it.",
    )


def _check_keys(rows: pa.Table, key: Sequence[str], table: str, version: str | None = None) -> None:
    """That no key is null, and that none stands there twice, or, with `version`, not twice in one version."""
    if rows.num_rows == 0:
        return
    for column in key:
        if column not in rows.column_names or rows[column].null_count:
            raise RowsUnaccounted(
                f"rows for {table} have no value in '{column}', which is part of the primary key.",
                do="Nothing of this load was written.",
            )
    names = list(dict.fromkeys([*key, version] if version is not None else key))
    if rows.select(names).group_by(names).aggregate([]).num_rows != rows.num_rows:
        raise RowsUnaccounted(
            f"several rows for {table} have the same primary key ({', '.join(names)}).",
            do="Nothing of this load was written.",
        )
