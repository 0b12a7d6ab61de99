"""What a row must keep beside other rows: those of its batch, of its table and of other tables.

Called by `guard.checks`. The destination is asked once for each batch and check, with the distinct values only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.casting import cast_values
from bief.batches.keys import all_differ, plain
from bief.config.checks import Relationship
from bief.errors import CheckFailed
from bief.guard.rules import Broken, values_at
from bief.ports.destination import Loader
from bief.sql.names import IS_CURRENT

_PLACE: Final = "_bief_place"
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Own:
    """The stream's own table, and what makes two rows of it the same row: a row is no duplicate of itself.

    `identity` is empty where each row is one of its own (append without versions, replace). `replaces`: a row takes
    the place of the row with the same identity, instead of standing beside it. `versions`: the table keeps closed
    versions of rows, which do not count.
    """

    table: str
    identity: tuple[str, ...] = ()
    replaces: bool = False
    versions: bool = False


def related(rule: Relationship, rows: pa.Table, column: Column, *, loader: Loader, own: Own, gone: set[int]) -> Broken:
    """Rows whose value stands neither in the other table nor, if that is their own, in the rows themselves.

    `gone`: places of rows that will not be loaded, so that they bring no value. Raises `CheckFailed` if there is no
    such table or column.
    """
    values = pc.drop_null(pc.unique(column))
    known = _found(loader, rule.table, arrow.table({rule.key: values}), (), own)
    brings = rule.table == own.table and rule.key in rows.column_names
    if known is None and not brings:
        raise CheckFailed(
            f"the destination has no table '{rule.table}' with a column '{rule.key}'.",
            do="Load that table first, or correct the check.",
        )
    missing = pc.is_valid(column)
    if known is not None:
        missing = _not_in(missing, column, known.column(rule.key))
    places: list[int] = pc.indices_nonzero(missing).to_pylist()
    while brings and places:
        # A row without its parent brings nothing either: so this goes on until it finds no more.
        stays = [place for place in range(rows.num_rows) if place not in gone]
        brought = rows.column(rule.key).take(arrow.array(stays, arrow.int64()))
        places = pc.indices_nonzero(_not_in(missing, column, brought)).to_pylist()
        if gone.issuperset(places):
            break
        gone = gone.union(places)
    return Broken(
        places, rule.column, lambda wanted: [f"{value} is not in {rule.to}" for value in values_at(column, wanted)]
    )


def _not_in(wanted: Column, column: Column, there: Column) -> Column:
    there = cast_values(there, column.type)
    return pc.and_(wanted, pc.invert(pc.is_in(column, there.combine_chunks())))


def repeated(names: Sequence[str], rows: pa.Table, loader: Loader | None, own: Own) -> Broken:
    """Rows whose values in these columns, taken together, stand in an earlier row or in the table already.

    `loader` None: only the rows themselves are looked at.
    """
    nothing = Broken([], "", lambda _: [])
    if own.identity and set(own.identity) <= set(names):
        return nothing
    columns = {name: plain(rows.column(name)) for name in (*names, *own.identity)}
    numbered = arrow.table({**columns, _PLACE: arrow.arange(0, rows.num_rows)})
    full = numbered.drop_null() if any(numbered.column(name).null_count for name in names) else numbered
    holders = _holders(names, full, loader, own)
    shared = _shared(names, full, holders, own)
    if shared.num_rows == 0:
        return nothing
    there: dict[Row, set[Row]] = {}
    holders = holders.join(shared, keys=list(names), join_type="left semi")
    for values, identity in zip(_rows(holders, names), _rows(holders, own.identity), strict=True):
        # A row of the table without an identity is like no row of the batch.
        there.setdefault(values, set()).add(identity or (None,))
    replaced = set(_rows(numbered, own.identity)) if there and own.replaces else set()
    doubtful = full.join(shared, keys=list(names), join_type="left semi").sort_by(_PLACE)
    places: list[int] = doubtful.column(_PLACE).to_pylist()
    parts = zip(places, _rows(doubtful, names), _rows(doubtful, own.identity), strict=True)
    found = _duplicates([(place, values, same or (place,)) for place, values, same in parts], there, replaced)

    def reasons(wanted: Sequence[int]) -> list[str]:
        taken = rows.take(arrow.array(wanted, arrow.int64()))
        texts = [values_at(taken.column(name), range(len(wanted))) for name in names]
        return [f"{', '.join(row)} {found[place]}" for place, row in zip(wanted, zip(*texts, strict=True), strict=True)]

    return Broken(sorted(found), names[0] if len(names) == 1 else "", reasons)


def _duplicates(
    doubtful: Sequence[tuple[int, Row, Row]], there: Mapping[Row, set[Row]], replaced: set[Row]
) -> dict[int, str]:
    """The duplicates among doubtful rows (place, values, identity), with the reason.

    Each is held against the rows before it and against the table. `there`: the identities of the rows of the table by
    their values: who has values there keeps them. Rows that the batch replaces do not count, unless the row that would
    replace them is a duplicate itself: so this goes on until it finds no more.
    """
    found: dict[int, str] = {}
    kept = {place for place, values, identity in doubtful if identity in there.get(values, ())}
    while True:
        before = len(found)
        leaving = replaced - {identity for place, _, identity in doubtful if place in found}
        owners = {values: owned - leaving for values, owned in there.items()}
        for place, values, identity in doubtful:
            if place in kept:
                owners[values].add(identity)
        in_table = {values for values, owned in owners.items() if owned}
        for place, values, identity in doubtful:
            if place in found or place in kept:
                continue
            others = owners.setdefault(values, set())
            if others - {identity}:
                found[place] = "is in the table already" if values in in_table else "stands in an earlier row too"
            else:
                others.add(identity)
        if len(found) == before:
            return found


def _holders(names: Sequence[str], rows: pa.Table, loader: Loader | None, own: Own) -> pa.Table:
    """Values and identity of the rows of the table that have values of the batch."""
    columns = [*dict.fromkeys([*names, *own.identity])]
    nothing = rows.select(columns).slice(0, 0)
    if loader is None or rows.num_rows == 0:
        return nothing
    found = _found(loader, own.table, rows.select(list(names)).group_by(list(names)).aggregate([]), own.identity, own)
    if found is None or found.num_rows == 0:
        return nothing
    return pa.table({name: cast_values(plain(found.column(name)), nothing.column(name).type) for name in columns})


def _shared(names: Sequence[str], rows: pa.Table, holders: pa.Table, own: Own) -> pa.Table:
    """The values that two rows have, of the batch or of the table, unless these are the same row."""
    others, columns = holders, [*dict.fromkeys([*names, *own.identity])]
    if own.identity and holders.num_rows:
        others = holders.join(rows.select(columns), keys=columns, join_type="left anti")
    shared = others.select(list(names))
    if not all_differ(rows, names):
        groups = rows.group_by(list(names)).aggregate([(_PLACE, "count")])
        several = groups.filter(pc.greater(groups.column(f"{_PLACE}_count"), 1)).select(list(names))
        shared = arrow.concat_tables([several, shared])
    return shared


def _found(loader: Loader, table: str, keys: pa.Table, columns: Sequence[str], own: Own) -> pa.Table | None:
    """What `Loader.lookup` finds, asked with values of the types that the table has."""
    if own.versions and table == own.table:
        found = _found(loader, table, keys, (*columns, IS_CURRENT), replace(own, versions=False))
        return found if found is None else found.filter(found.column(IS_CURRENT)).drop_columns([IS_CURRENT])
    known = loader.lookup(table, keys.slice(0, 0), columns)
    if known is None:
        return None
    asked = {name: cast_values(keys.column(name), known.field(name).type) for name in keys.column_names}
    # A value that is none of the column's type cannot be there.
    wanted = arrow.table(asked).drop_null()
    return loader.lookup(table, wanted, columns) if wanted.num_rows else known


def _rows(table: pa.Table, names: Sequence[str]) -> list[Row]:
    columns = [table.column(name).to_pylist() for name in names]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows
