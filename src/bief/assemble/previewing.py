"""A look at the first rows of a stream, for `bief preview`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bief.batches.batch import ROW_NUMBER, RejectedRow
from bief.batches.shaping import shape
from bief.guard.checks import looked_at
from bief.guard.contract import fit
from bief.guard.quarantine import set_aside, visible
from bief.run.plan import Pipeline


@dataclass(frozen=True)
class Preview:
    """The first rows of a stream: as the source gave them, as they would be loaded, and those that would not."""

    stream: str
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    rejected: list[RejectedRow]


def preview(pipeline: Pipeline, rows: int) -> Preview:
    """The first rows of the only stream of `pipeline` before and after shaping; nothing is written."""
    [load] = pipeline.loads
    batch = pipeline.source.sample(load.stream.name, rows)
    shaped = shape(batch.rows, load.stream.shape)
    fitted = fit(shaped, None, load.stream.shape, load.stream.primary_key, typed=batch.typed)
    kept, misfits = looked_at(fitted, load.checks, batch.provenance, load.stream.shape.table_types())
    rejected = set_aside(batch, [*fitted.misfits, *misfits], load.stream.shape)
    numbers: list[Any] = batch.rows.column(ROW_NUMBER).to_pylist()[:rows]
    return Preview(
        stream=load.stream.name,
        before=[json.loads(visible(batch.provenance.raw(number), load.stream.shape) or "{}") for number in numbers],
        after=kept.slice(0, rows).to_pylist(),
        rejected=rejected[:rows],
    )
