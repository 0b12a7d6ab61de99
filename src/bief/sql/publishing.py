"""The end of a round: the rows of the staging table take the place of the old ones, in the load's transaction.

The old table stays and only its rows change, so that views, grants, indexes and owners survive and readers see the old
rows until the commit and the new ones after it (docs/decisions). Called by `sql.loading` for a complete load.
"""

from __future__ import annotations

from bief.errors import DestinationRefused
from bief.ports.destination import Target
from bief.sql.tables import Table, Tables


def publish(tables: Tables, target: Target, staging: str | None, table: Table | None, load_id: int) -> Table | None:
    """Give the table that readers see from now on. Without a staging table that is the one just written."""
    if staging is None or table is None:
        return table
    if target.mode == "replace":
        tables.keep_newest(table)
    old = tables.read(target.table)
    if old is None:
        return _first(tables, target, table)
    _refuse_sudden_emptiness(tables, target, table)
    old = _fitted(tables, tables.own_columns(old), table)
    tables.empty(old.name)
    tables.require_key(old, load_id, make=True)
    tables.move_rows(table, old.name)
    tables.drop(table.name)
    return old


def _first(tables: Tables, target: Target, staging: Table) -> Table | None:
    if not staging.columns:
        tables.drop(staging.name)
        return None
    tables.rename(staging.name, target.table)
    return tables.read(target.table)


def _refuse_sudden_emptiness(tables: Tables, target: Target, staging: Table) -> None:
    if target.allow_empty or tables.has_rows(staging.name) or not tables.has_rows(target.table):
        return
    raise DestinationRefused(
        f"the source gave no rows for {target.table}, which has rows now: they were kept.",
        do="If an empty table is right, allow it in the project file (allow_empty: true).",
    )


def _fitted(tables: Tables, old: Table, new: Table) -> Table:
    """The old table with the columns and types of the new round. Columns that the round lacks stay, and are NULL."""
    old = tables.add(old, {name: kind for name, kind in new.columns.items() if name not in old.columns})
    changed = {name: kind for name, kind in new.columns.items() if old.columns[name] != kind}
    if not changed:
        return old
    # The old values go in this transaction anyway, so none of them needs to be turned into the new type.
    tables.retype(old, {name: (kind, "NULL") for name, kind in changed.items()})
    return tables.read(old.name) or old
