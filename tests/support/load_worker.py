"""A process that loads known rows into a destination and goes on where the last one was killed.

`python load_worker.py KIND WHERE FOLDER MODE RUN_ID`. Step s brings rows `row(i, version)`, one rejected row and, in
merge mode, one delete; the last step is complete. The fault tests kill it and ask `truth` what must stand there.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
from places import Place, load, place_of, table, target

from bief.batches.batch import RejectedRow
from bief.batches.schema import INTEGER, TEXT
from bief.errors import CommitInDoubt, DestinationUnavailable
from bief.ports.destination import AddColumn, Load

STEPS = 4
ROWS_PER_STEP = 50
FIRST = pa.schema([("id", INTEGER), ("name", TEXT)])
LATER = pa.schema([*FIRST, ("note", TEXT)])
_MOST_TRIES = 5


def rows_of(step: int) -> list[dict[str, Any]]:
    """Half of each step's rows are versions of rows that came before."""
    first = step * ROWS_PER_STEP // 2
    rows: list[dict[str, Any]] = [
        {"id": key, "name": f"row {key} of step {step}"} for key in range(first, first + ROWS_PER_STEP)
    ]
    return rows if step < 2 else [{**row, "note": f"note {row['id']}"} for row in rows]


def load_of(step: int, mode: str) -> Load:
    """The load of a step. Step 2 adds a column."""
    schema = FIRST if step < 2 else LATER
    changes = {0: None, 2: [AddColumn("note", TEXT)]}.get(step, [])
    return load(
        table(rows_of(step), schema), step, complete=step == STEPS - 1, changes=changes,
        rejected=[RejectedRow(f"step {step}", "type", "of no use", "{}")],
        deleted=pa.table({"id": pa.array([step], INTEGER)}) if mode == "merge" else None,
    )  # fmt: skip


def expected(mode: str) -> Counter[tuple[Any, ...]]:
    """The rows that one run without any fault leaves, as (id, name, note)."""
    if mode != "merge":
        return Counter((row["id"], row["name"], row.get("note")) for step in range(STEPS) for row in rows_of(step))
    kept: dict[int, tuple[Any, ...]] = {}
    for step in range(STEPS):
        kept |= {row["id"]: (row["id"], row["name"], row.get("note")) for row in rows_of(step)}
        kept.pop(step, None)
    return Counter(kept.values())


def faults_in_rows(place: Place, mode: str) -> list[str]:
    """Rows that are missing, and rows that are there twice or should not be."""
    found = Counter((row["id"], row["name"], row["note"]) for row in place.all("orders"))
    wanted = expected(mode)
    return [f"missing {row}" for row in (wanted - found)] + [f"extra {row}" for row in (found - wanted)]


def faults_in(place: Place, mode: str) -> list[str]:
    """Everything that is not as one run without any fault would have left it. Empty means exactly once."""
    faults = faults_in_rows(place, mode)
    ledger = place.rows(f"SELECT * FROM {place.table('_bief_loads')} ORDER BY load_id")
    if [row["position"] for row in ledger] != [f'{{"step": {step}}}' for step in range(STEPS)]:
        faults.append(f"the ledger is {[row['position'] for row in ledger]}")
    for row in ledger:
        parts = ("rows_loaded", "rows_superseded", "rows_rejected", "rows_filtered", "rows_deduplicated")
        if row["rows_read"] != sum(row[part] for part in parts):
            faults.append(f"load {row['load_id']} does not add up")
    kept = [
        row["origin"] for row in place.rows(f"SELECT origin FROM {place.table('_bief_quarantine')} ORDER BY origin")
    ]
    if kept != [f"step {step}" for step in range(STEPS)]:
        faults.append(f"the quarantine has {kept}")
    steps = place.rows(f"SELECT records_extracted, records_loaded, status FROM {place.table('etl_logs')} ORDER BY id")
    if sum(row["records_extracted"] for row in steps) != STEPS * (ROWS_PER_STEP + 1):
        faults.append(f"the run log counts {steps}")
    if not any(row["status"] == "success" for row in steps) or any(row["status"] == "running" for row in steps):
        faults.append(f"the run log says {[row['status'] for row in steps]}")
    state = place.first.state("shop", "orders", "orders")
    if state.position is None or not state.position.complete or state.rows != place.count("orders"):
        faults.append(f"the state is {state}")
    if place.first.state("shop", "orders", "orders__new").table_exists:
        faults.append("the staging table is still there")
    return faults


def work(place: Place, mode: str, run_id: str) -> int:
    """One run, from wherever the last one was left. Gives the number of commits that were in doubt."""
    doubts = 0
    place.first.prepare()
    keyed: dict[str, Any] = {} if mode == "merge" else {"primary_key": ()}
    reached = place.first.state("shop", "orders", "orders").position
    if reached is not None and reached.complete:
        return doubts
    loader = place.first.loader(target(mode, run_id=run_id, **keyed))
    try:
        done = loader.position
        for step in range(0 if done is None else int(done.value["step"]) + 1, STEPS):
            each = load_of(step, mode)
            for _ in range(_MOST_TRIES):
                try:
                    loader.commit(each)
                    break
                except CommitInDoubt:
                    doubts += 1
                except DestinationUnavailable:
                    continue
    finally:
        loader.close()
    return doubts


if __name__ == "__main__":
    kind, where, folder, mode, run_id = sys.argv[1:]
    place = place_of(kind, Path(folder), where if kind == "postgres" else "")
    work(place, mode, run_id)
    if run_id == "failing":
        with_failure = place.first.loader(target(mode, run_id=run_id, stream="other", table="other"))
        with_failure.fail("as the test asked")
        with_failure.close()
    place.close()
