"""What a replay must not undo: rows that were loaded after the quarantined ones were rejected.

Called by `run.replay` for each part of a replay. Where rows have a version column, the destination compares versions
itself; without one, the load ids tell which row came later.
"""

from __future__ import annotations

from dataclasses import replace

from bief.batches.arrow import arrow
from bief.ports.destination import Load, Loader
from bief.run.plan import PlannedStep
from bief.sql.names import LOAD_ID


def without_older(load: Load, loader: Loader, step: PlannedStep, *, newest: int) -> Load:
    """The load without rows whose key the table has from a later load; they count as deduplicated.

    The origins of its rows are ids of quarantined rows. `newest` is the last load before this replay: what the replay
    itself has written is not older or newer than the rest of it.
    """
    key, cursor = step.stream.primary_key, step.stream.cursor
    if step.mode == "append" or not key or load.rows.num_rows == 0:
        return load
    if step.mode != "replace" and cursor in load.rows.column_names:
        return load
    rows = load.rows.select(list(key))
    found = loader.lookup(step.table, rows, [LOAD_ID])
    if found is None or found.num_rows == 0:
        return load
    latest: dict[tuple[object, ...], int] = {}
    for row in found.to_pylist():
        place = tuple(row[name] for name in key)
        latest[place] = max(latest.get(place, 0), row[LOAD_ID] or 0)

    def stays_out(number: int, place: tuple[object, ...]) -> bool:
        there = latest.get(place)
        if there is None:
            return False
        # Replace mode has no way to change a row, and one row for each key.
        return step.mode == "replace" or _load_of(load, number) < there <= newest

    places = zip(*(rows.column(name).to_pylist() for name in key), strict=True)
    kept = [number for number, place in enumerate(places) if not stays_out(number, place)]
    if len(kept) == load.rows.num_rows:
        return load
    return replace(
        load,
        rows=load.rows.take(arrow.array(kept, arrow.int64())),
        deduplicated=load.deduplicated + load.rows.num_rows - len(kept),
        refuse=lambda number, reason: load.refuse(kept[number], reason),
    )


def _load_of(load: Load, number: int) -> int:
    """The load that rejected a row, by its id."""
    row = load.refuse(number, "")
    return int(row.origin.partition("-")[0]) if row is not None else 0
