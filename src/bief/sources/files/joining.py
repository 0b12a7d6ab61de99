"""Several small batches as one: a thousand small files are not a thousand statements, and a sample spans files."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

import pyarrow as pa

from bief.batches.arrow import arrow, pc
from bief.batches.batch import ROW_NUMBER, Batch, Provenance

Result = TypeVar("Result")


def joined(batches: Sequence[Batch]) -> list[Batch]:
    """The same rows in the same order, in as few batches as there are changes of the columns' names and types."""
    runs: list[list[Batch]] = []
    for batch in batches:
        if runs and _alike(runs[-1][0], batch):
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return [run[0] if len(run) == 1 else _one(run) for run in runs]


def _alike(one: Batch, other: Batch) -> bool:
    return one.typed == other.typed and one.rows.schema.equals(other.rows.schema)


def _one(batches: Sequence[Batch]) -> Batch:
    # A row's number counts the records of its own batch, also those that were rejected: the last one may be high.
    sizes = [max(batch.read, 1 + (pc.max(batch.rows.column(ROW_NUMBER)).as_py() or 0)) for batch in batches]
    starts = [0, *accumulate(sizes)][:-1]
    numbered = [_renumbered(batch.rows, start) for batch, start in zip(batches, starts, strict=True)]

    def told(ask: Callable[[Provenance, int], Result]) -> Callable[[int], Result]:
        def of_row(row: int) -> Result:
            place = bisect.bisect_right(starts, row) - 1
            return ask(batches[place].provenance, row - starts[place])

        return of_row

    return replace(
        batches[-1],
        rows=arrow.concat_tables(numbered),
        rejected=[row for batch in batches for row in batch.rejected],
        provenance=Provenance(
            raw=told(lambda provenance, row: provenance.raw(row)),
            origin=told(lambda provenance, row: provenance.origin(row)),
        ),
    )


def _renumbered(rows: pa.Table, start: int) -> pa.Table:
    place = rows.column_names.index(ROW_NUMBER)
    numbers = pc.add(rows.column(place), start)
    return rows.set_column(place, ROW_NUMBER, numbers)
