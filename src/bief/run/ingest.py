"""The road: one stream, from the source through the guard into one commit after the other. Start reading here.

Called by `run.runner`, once for each step of the plan, each in a thread of its own. The source makes batches, the
batches floor shapes them, the guard checks them, the destination commits them; this file is what joins the four.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from bief.base.clock import Clock
from bief.base.events import (
    BatchCommitted,
    CommitDoubted,
    CommitSettled,
    Event,
    SourceWarned,
    StepStatus,
    StreamStarted,
    TableChanged,
)
from bief.base.retries import retried
from bief.batches.batch import Batch
from bief.batches.keys import last_per_key
from bief.batches.shaping import deduplicate_rows, shape
from bief.errors import BiefError, CommitInDoubt
from bief.guard.budget import Tally
from bief.guard.conservation import account
from bief.guard.contract import Fitted, fit
from bief.guard.quarantine import set_aside
from bief.ports.destination import Committed, Destination, Load, Loader, Target
from bief.ports.source import Source
from bief.run.plan import PlannedStep
from bief.run.read_ahead import read_ahead
from bief.run.receipt import StepReceipt

_COUNTS = ("read", "loaded", "rejected", "filtered", "deduplicated", "deleted")


@dataclass(frozen=True)
class Surroundings:
    """What all steps of one run share. `clean` takes secrets out of a text."""

    run_id: str
    pipeline: str
    source_name: str
    emit: Callable[[Event], None]
    stop: threading.Event
    clock: Clock
    clean: Callable[[str], str]


class Ingest:
    """Loads one stream. `load()` does all of it; `receipt()` tells, also after an error, what was committed."""

    def __init__(self, step: PlannedStep, source: Source, destination: Destination, run: Surroundings) -> None:
        self._step = step
        self._source = source
        self._destination = destination
        self._run = run
        self._began = run.clock.monotonic()
        self._tally = Tally(step.max_rejected)
        self._resumed = False
        self._batches = 0
        self._counts = dict.fromkeys(_COUNTS, 0)

    def load(self) -> StepReceipt:
        """Carry the stream to its end, or to the stop signal. An error goes into the run log and is raised again."""
        step = self._step
        with closing(self._destination.loader(self._target(), rebuild=step.action == "rebuild")) as loader:
            self._resumed = loader.resumed
            self._run.emit(
                StreamStarted(
                    run_id=self._run.run_id, stream=step.stream.name, table=step.table, resumed=loader.resumed
                )
            )
            try:
                complete = self._carry(loader)
                if not complete:
                    loader.fail("The run was stopped before the end of the stream.", cancelled=True)
            except Exception as error:
                # The run log in the destination is a courtesy here: the first error is the one to report.
                with suppress(BiefError):
                    loader.fail(self._run.clean(str(error)), cancelled=self._run.stop.is_set())
                raise
        return self.receipt("success" if complete else "cancelled")

    def _carry(self, loader: Loader) -> bool:
        """The road itself. True: the round is complete. False: it was stopped between two batches."""
        source_batches = self._source.read(self._step.stream.name, since=loader.position)
        with closing(read_ahead(source_batches)) as batches:
            for batch in batches:
                began = self._run.clock.monotonic()
                load = self._guard(batch, loader)
                committed = self._commit(load, loader)
                self._account(load, committed, seconds=self._run.clock.monotonic() - began)
                if batch.position.complete:
                    return True
                if self._run.stop.is_set():
                    return False
        return False

    def _guard(self, batch: Batch, loader: Loader) -> Load:
        """Shape the rows, hold them against the table, and set aside what does not fit, each with its reason."""
        stream = self._step.stream
        rows, repeated = shape(batch.rows, stream.shape), 0
        if stream.shape.deduplicate:
            rows, repeated = deduplicate_rows(rows)
        fitted = fit(rows, loader.schema, stream.shape, stream.primary_key)
        self._tell(fitted)
        rejected = set_aside(batch, fitted.misfits, stream.shape)
        rows, outdated = last_per_key(fitted.rows, self._key(), stream.cursor)
        self._tally.add(batch.read, rejected, complete=batch.position.complete)
        return Load(
            batch_id=f"{self._run.run_id}/{stream.name}/{self._batches}",
            rows=rows,
            position=batch.position,
            read=batch.read,
            rejected=rejected,
            deduplicated=repeated + outdated,
            deleted=batch.deleted,
            changes=fitted.changes,
        )

    def _commit(self, load: Load, loader: Loader) -> Committed:
        """Commit. A commit in doubt is settled by doing the very same load again: the ledger knows the truth."""
        doubted = False

        def once() -> Committed:
            nonlocal doubted
            try:
                return loader.commit(load)
            except CommitInDoubt:
                doubted = True
                self._run.emit(CommitDoubted(stream=self._step.stream.name, batch_id=load.batch_id))
                raise

        committed = retried(once, what=f"the commit of {load.batch_id}", emit=self._run.emit, stop=self._run.stop)
        if doubted:
            self._run.emit(
                CommitSettled(stream=self._step.stream.name, batch_id=load.batch_id, landed=committed.landed_before)
            )
        return committed

    def _account(self, load: Load, committed: Committed, *, seconds: float) -> None:
        """Add the counts of one commit to the receipt, and see that every row that was read is in one of them."""
        counts = {
            "read": load.read,
            "loaded": committed.loaded,
            "rejected": len(load.rejected),
            "filtered": load.filtered,
            "deduplicated": load.deduplicated + committed.superseded,
        }
        account(**counts, where=self._step.stream.name)
        counts["deleted"] = committed.deleted
        for name, number in counts.items():
            self._counts[name] += number
        self._batches += 1
        self._run.emit(
            BatchCommitted(
                run_id=self._run.run_id,
                stream=self._step.stream.name,
                batch_id=load.batch_id,
                seconds=seconds,
                **counts,
            )
        )

    def _tell(self, fitted: Fitted) -> None:
        if fitted.changes:
            self._run.emit(TableChanged(table=self._step.table, changes=tuple(map(str, fitted.changes))))
        for warning in fitted.warnings:
            self._run.emit(SourceWarned(source=self._run.source_name, stream=self._step.stream.name, message=warning))

    def _key(self) -> tuple[str, ...]:
        """What makes two rows of one batch the same row. In append mode, two versions are two rows."""
        stream = self._step.stream
        if self._step.mode == "append" and stream.primary_key:
            return (*stream.primary_key, stream.cursor) if stream.cursor else ()
        return stream.primary_key

    def _target(self) -> Target:
        return Target(
            pipeline=self._run.pipeline,
            stream=self._step.stream.name,
            table=self._step.table,
            mode=self._step.mode,
            run_id=self._run.run_id,
            primary_key=self._step.stream.primary_key,
            version_column=self._step.stream.cursor,
            allow_empty=self._step.allow_empty,
        )

    def receipt(self, status: StepStatus, error: str = "") -> StepReceipt:
        """What became of the stream so far."""
        return StepReceipt(
            stream=self._step.stream.name,
            table=self._step.table,
            mode=self._step.mode,
            status=status,
            batches=self._batches,
            seconds=round(self._run.clock.monotonic() - self._began, 3),
            resumed=self._resumed,
            guarantee=self._step.guarantee,
            error=error,
            **self._counts,
        )
