"""Rounds: where the rows of a stream are gathered until its source has nothing more to give.

Append and merge load straight into the table. Replace, and every rebuild of a table, gather the round in a staging
table that takes the place of the old rows at the end (`publishing`). Called by `sql.loading`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from bief.batches.batch import Position
from bief.errors import DestinationRefused
from bief.ports.destination import AddColumn, Load, Target, WidenColumn
from bief.sql.bookkeeping import StreamRow
from bief.sql.names import staging_name
from bief.sql.tables import Table, Tables


@dataclass(frozen=True)
class Round:
    """How a run goes on: from which position, into which staging table (None: the table itself)."""

    position: Position | None
    staging: str | None
    rebuilding: bool
    schema: pa.Schema | None

    @classmethod
    def planned(cls, tables: Tables, target: Target, old: StreamRow, *, rebuild: bool) -> Round:
        """What a run that takes the stream over has to do. Drops the staging table of a round that starts anew."""
        staged = tables.read(old.staging) if old.staging else None
        lost = old.staging is not None and old.position is not None and staged is None
        gone = old.table_name != target.table or (bool(old.total_rows) and tables.read(target.table) is None)
        restart = lost or (rebuild and not old.rebuilding)
        if old.staging and not restart:
            return cls(old.position, old.staging, old.rebuilding, _schema(tables, target, staged, old))
        if staged is not None and restart:
            tables.drop(staged.name)
        if target.mode == "history":
            rebuilding = rebuild or old.rebuilding
            position = None if gone or (rebuild and not old.rebuilding) else old.position
            return cls(position, None, rebuilding, _table_schema(tables, target))
        if not rebuild and not lost and target.mode != "replace":
            # A table dropped by hand, or another table than before, needs all rows again and not only the latest.
            position = None if gone else old.position
            return cls(position, None, rebuilding=False, schema=_table_schema(tables, target))
        rebuilding = rebuild or (lost and old.rebuilding)
        staging = staging_name(target.table, max_bytes=tables.max_identifier_bytes)
        return cls(None, staging, rebuilding, None if rebuilding else _table_schema(tables, target))

    @classmethod
    def standing(cls, tables: Tables, target: Target, old: StreamRow) -> Round:
        """What a replay or a rollback finds: it goes on from nowhere, and leaves position and staging as they are."""
        half_done = old.staging is not None and old.position is not None
        gone = bool(old.total_rows) and tables.read(target.table) is None
        if half_done or gone or old.table_name != target.table:
            reason = (
                "a new round of it is half done" if half_done else f"its rows are not in the table {target.table} yet"
            )
            raise DestinationRefused(
                f"the stream {target.stream} cannot be changed now: {reason}.",
                do=f"Let it be loaded first: bief run {target.pipeline}",
            )
        return cls(old.position, old.staging, old.rebuilding, _table_schema(tables, target))


def begin_round(tables: Tables, target: Target, state: StreamRow, load: Load, load_id: int) -> Table | None:
    """The table that a load goes into, made if need be and with the load's changes. None if it would hold nothing."""
    name = state.staging or target.table
    table = tables.read(name)
    if state.staging and state.position is None and table is not None:
        raise DestinationRefused(
            f"a table {name} stands where Bief gathers the new rows of {target.table}.",
            do="Bief did not make it, or its pipeline has another name now: drop or rename it.",
        )
    if state.staging and state.position is not None and table is None:
        raise DestinationRefused(
            f"the table {name}, in which the new rows of {target.table} are gathered, is gone.",
            do="Somebody dropped it: run again, and the round starts from its beginning.",
        )
    if table is None:
        columns = {} if not state.staging or state.rebuilding else _known_columns(tables, target)
        columns |= {change.name: change.type for change in load.changes if isinstance(change, AddColumn)}
        if not columns and not state.staging:
            return None
        table = tables.create(name, columns, load_id)
        table = tables.change(table, [change for change in load.changes if isinstance(change, WidenColumn)])
    else:
        table = tables.change(tables.own_columns(table), load.changes)
    tables.require_key(table, load_id, make=state.staging is not None)
    return table


def _schema(tables: Tables, target: Target, staged: Table | None, old: StreamRow) -> pa.Schema | None:
    if staged is not None:
        return staged.schema
    return None if old.rebuilding else _table_schema(tables, target)


def _table_schema(tables: Tables, target: Target) -> pa.Schema | None:
    table = tables.read(target.table)
    return table.schema if table is not None else None


def _known_columns(tables: Tables, target: Target) -> dict[str, pa.DataType]:
    table = tables.read(target.table)
    return dict(table.columns) if table is not None else {}
