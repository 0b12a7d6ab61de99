"""Joins the quarantine and the rollback to a project: called by `assemble.project`, for the command line and Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from bief.errors import DestinationRefused, Problem, ProjectError
from bief.ports.destination import Destination
from bief.ports.records import QuarantineCount, QuarantinedRow, QuarantineFilter
from bief.ports.source import Source
from bief.run.ingest import Surroundings
from bief.run.plan import Pipeline, PlannedStep, selected
from bief.run.receipt import Receipt
from bief.run.replay import Outcome, Replay, ReplayRequest
from bief.run.rollback import Rollback, TakeBack
from bief.run.runner import Road

PAGE_ROWS: Final = 1000


@dataclass(frozen=True)
class Replayed:
    """The receipt of a replay, and for each stream what became of its rows and why some stay."""

    receipt: Receipt
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Quarantined:
    """Some rows of the quarantine, asked for when they are wanted. Raises `DestinationError`."""

    destinations: tuple[Destination, ...]
    which: QuarantineFilter

    def rows(self, limit: int | None = None) -> Iterator[QuarantinedRow]:
        """The rows, oldest first in each destination, a page at a time."""
        given = 0
        for destination in self.destinations:
            after = ""
            while limit is None or given < limit:
                wanted = PAGE_ROWS if limit is None else min(PAGE_ROWS, limit - given)
                page = destination.rejected_rows(self.which, after=after, limit=wanted)
                yield from page
                given += len(page)
                if len(page) < wanted:
                    break
                after = page[-1].id

    def counts(self) -> list[QuarantineCount]:
        """How many rows there are, by stream and rule."""
        return [count for destination in self.destinations for count in destination.rejected_counts(self.which)]


def replay(pipeline: Pipeline, request: ReplayRequest, run: Callable[[Pipeline, Road], Receipt]) -> Replayed:
    """Replay the quarantined rows of the streams of a pipeline. Raises ProjectError for ids that are not there."""
    _refuse_unknown(pipeline, {*request.ids, *request.edits})
    steps: dict[str, Replay] = {}

    def road(step: PlannedStep, source: Source, destination: Destination, surroundings: Surroundings) -> Replay:
        made = steps[step.stream.name] = Replay(request, step, source, destination, surroundings)
        return made

    receipt = run(pipeline, road)
    return Replayed(receipt, {name: step.outcome for name, step in steps.items()})


def take_back(pipeline: Pipeline, rollback: Rollback, run: Callable[[Pipeline, Road], Receipt]) -> Receipt:
    """Take a run back. Raises DestinationRefused, with every reason, if a stream of it cannot be; then none is."""
    if rollback.refusals:
        able = [each.stream for each in rollback.streams if not each.refusal]
        others = f" The streams {', '.join(able)} can be, one by one, with --stream." if able else ""
        raise DestinationRefused(
            f"the run {rollback.run_id} cannot be taken back: {' '.join(rollback.refusals)}",
            do=f"Nothing was changed.{others}",
        )
    streams = [each.stream for each in rollback.streams]
    return run(selected(pipeline, streams), partial(TakeBack, rollback.run_id))


def _refuse_unknown(pipeline: Pipeline, ids: set[str]) -> None:
    """Raise for ids that are not in the quarantine of these streams: a typing error must not look like success."""
    wanted = sorted(ids)
    found: set[str] = set()
    names = {load.stream.name for load in pipeline.loads}
    for start in range(0, len(wanted), PAGE_ROWS):
        part = QuarantineFilter(pipeline=pipeline.name, ids=tuple(wanted[start : start + PAGE_ROWS]))
        rows = pipeline.destination.rejected_rows(part, limit=PAGE_ROWS)
        found |= {row.id for row in rows if row.stream in names}
    missing = [each for each in wanted if each not in found]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")  # noqa: PLR2004 - enough to see what is meant
        where = f"{pipeline.name}.{next(iter(names))}" if len(names) == 1 else pipeline.name
        raise ProjectError(
            [
                Problem(
                    "command line",
                    None,
                    f"the quarantine of {where} has no row {shown}.",
                    f"bief quarantine list {where} shows what it has.",
                )
            ]
        )
