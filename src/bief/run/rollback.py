"""The rollback of a run: what it loaded is taken back, stream by stream, where that can be done exactly.

`make_rollback` says what would be taken back, and why not; `run.runner` does it with `TakeBack` in place of
`run.ingest`, once for each stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from bief.base.events import StepStatus, StreamStarted
from bief.base.retries import retried
from bief.errors import UnknownRun
from bief.ports.destination import Destination
from bief.ports.records import StreamRun, TakenBack
from bief.ports.source import Source
from bief.run.ingest import Surroundings
from bief.run.plan import Pipeline, PlannedStep, StreamLoad, target_of
from bief.run.receipt import StepReceipt


@dataclass(frozen=True)
class StreamRollback:
    """What a rollback takes out of one stream: rows of its table, rows of the quarantine. `refusal`: why it cannot."""

    stream: str
    table: str
    mode: str
    rows: int
    rejected: int
    refusal: str = ""


@dataclass(frozen=True)
class Rollback:
    """All streams that a run has loaded and that were not taken back yet, in the order of the project file."""

    run_id: str
    pipeline: str
    streams: tuple[StreamRollback, ...]

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why streams cannot be taken back, one sentence each."""
        return tuple(each.refusal for each in self.streams if each.refusal)


def make_rollback(pipeline: Pipeline, run_id: str) -> Rollback:
    """What taking back a run would do in the streams of `pipeline`. Raises `UnknownRun` if it loaded none of them."""
    streams = []
    for load in pipeline.loads:
        runs = pipeline.destination.stream_runs(pipeline.name, load.stream.name)
        found = next((run for run in runs if run.run_id == run_id and not run.rolled_back), None)
        if found is not None:
            streams.append(_stream(load, found, runs))
    if not streams:
        raise UnknownRun(
            f"the run {run_id} has loaded nothing into pipeline '{pipeline.name}' that could be taken back.",
            do="`bief runs` lists the runs; what was taken back once is gone.",
        )
    return Rollback(run_id, pipeline.name, tuple(streams))


def _stream(load: StreamLoad, run: StreamRun, runs: Sequence[StreamRun]) -> StreamRollback:
    newest = next(each for each in runs if not each.rolled_back)
    refusal = ""
    if newest.run_id != run.run_id:
        refusal = f"was loaded again by run {newest.run_id}: take that back first"
    elif run.keeps:
        refusal = run.keeps
    elif (run.mode, run.table) != (load.mode, load.table):
        was, now = f"{run.mode} into {run.table}", f"{load.mode} into {load.table}"
        refusal = f"was loaded in mode {was}, and the project file says {now} now: take it back with the old one"
    return StreamRollback(
        stream=load.stream.name,
        table=run.table,
        mode=run.mode,
        rows=run.loaded,
        rejected=run.rejected,
        refusal=f"{load.stream.name} {refusal}." if refusal else "",
    )


class TakeBack:
    """Takes back what one run has loaded into one stream. `load()` does it; `receipt()` tells what was done."""

    def __init__(
        self, run_id: str, step: PlannedStep, source: Source, destination: Destination, run: Surroundings
    ) -> None:
        self._run_id = run_id
        self._step = step
        self._destination = destination
        self._run = run
        self._began = run.clock.monotonic()
        self._taken = TakenBack(0, 0)

    def load(self) -> StepReceipt:
        """Take it back, in one transaction."""
        run, stream = self._run, self._step.stream.name
        target = target_of(self._step, run.pipeline, run.run_id)
        with closing(self._destination.loader(target, as_it_stands=True)) as loader:
            run.emit(StreamStarted(run_id=run.run_id, stream=stream, table=self._step.table, resumed=False))
            self._taken = retried(
                lambda: loader.take_back(self._run_id),
                what=f"the rollback of {stream}",
                emit=run.emit,
                stop=run.stop,
            )
        return self.receipt("success")

    def receipt(self, status: StepStatus, error: str = "") -> StepReceipt:
        """What was taken back, as rows deleted."""
        return StepReceipt(
            stream=self._step.stream.name,
            table=self._step.table,
            mode=self._step.mode,
            status=status,
            deleted=self._taken.rows,
            seconds=round(self._run.clock.monotonic() - self._began, 3),
            error=error,
        )
