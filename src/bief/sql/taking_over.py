"""The take-over of a stream by a run: older runs are fenced, and the run learns where to go on.

Called by `sql.loading` in a transaction of its own, queued behind an unfinished commit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from bief.errors import DestinationRefused
from bief.ports.destination import Target
from bief.sql.bookkeeping import Books, StreamRow
from bief.sql.rounds import Round
from bief.sql.tables import Tables


@dataclass(frozen=True)
class TakenOver:
    """The state of a stream that is this run's now, the columns that rows must fit, and when that was."""

    state: StreamRow
    schema: pa.Schema | None
    started_at: Any


def take_over(books: Books, tables: Tables, target: Target, *, rebuild: bool, as_it_stands: bool) -> TakenOver:
    """Raise the epoch and plan the round. See `ports.destination.Destination.loader`."""
    books.make_state()
    old = books.state(lock=True)
    if old is None:
        raise DestinationRefused(f"the state of the stream {target.stream} cannot be written.")
    plan = Round.standing(tables, target, old) if as_it_stands else Round.planned(tables, target, old, rebuild=rebuild)
    books.take_over(position=plan.position, staging=plan.staging, rebuilding=plan.rebuilding)
    books.steps_crashed()
    state = books.state()
    if state is None:
        raise DestinationRefused(f"the state of the stream {target.stream} cannot be read.")
    # A staging table that nothing has been put into yet is none of a replay's business.
    state = replace(state, staging=None) if as_it_stands else state
    return TakenOver(state, plan.schema, books.now())
