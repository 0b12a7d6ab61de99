"""The road: one stream, from the source through the guard into one commit after the other. Start reading here.

Called by `run.runner`, once for each step of the plan, each in a thread of its own. The source makes batches,
`run.guarding` shapes and checks them, the destination commits them; this file is what joins the three.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Final

from bief.base.clock import Clock
from bief.base.events import BatchCommitted, CommitDoubted, CommitSettled, Event, StepStatus, StreamStarted
from bief.base.retries import retried
from bief.batches.batch import Batch, RejectedRow
from bief.errors import BiefError, CheckFailed, CommitInDoubt, DestinationUnavailable, SourceChanged
from bief.guard.budget import Tally
from bief.guard.checks import Findings, summed
from bief.guard.conservation import account
from bief.ports.destination import Committed, Destination, Load, Loader
from bief.ports.source import Source
from bief.run.guarding import Guarding
from bief.run.plan import PlannedStep, target_of
from bief.run.read_ahead import read_ahead
from bief.run.receipt import StepReceipt

_COUNTS: Final = ("read", "loaded", "rejected", "filtered", "deduplicated", "deleted")
# Reads begun anew without any commit between them: a column can turn out to be something else a few times in a file.
_MOST_STARTS: Final = 10


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


@dataclass(frozen=True)
class OpenLoad:
    """What the parts of a load came to that is not committed yet. `rejected` leaves out what the database refused."""

    tally: Tally
    parts: int = 0
    read: int = 0
    rejected: int = 0
    filtered: int = 0
    deduplicated: int = 0
    seconds: float = 0.0
    checks: Findings = ()

    def plus(self, load: Load, refused: Sequence[RejectedRow], checks: Findings, *, complete: bool) -> OpenLoad:
        """With one more part. Raises `TooManyRejected`."""
        return replace(
            self,
            tally=self.tally.plus(load.read, [*load.rejected, *refused], complete=complete),
            parts=self.parts + 1,
            read=self.read + load.read,
            rejected=self.rejected + len(load.rejected),
            filtered=self.filtered + load.filtered,
            deduplicated=self.deduplicated + load.deduplicated,
            checks=summed(self.checks, checks),
        )


class _StartOver(Exception):
    """The open load was lost after its first part: its rows must come from the source again."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Ingest:
    """Loads one stream. `load()` does all of it; `receipt()` tells, also after an error, what was committed."""

    def __init__(self, step: PlannedStep, source: Source, destination: Destination, run: Surroundings) -> None:
        self._step = step
        self._source = source
        self._destination = destination
        self._run = run
        self._guarding = Guarding(step, run.source_name, run.emit)
        self._began = run.clock.monotonic()
        self._resumed = False
        self._batches = 0
        self._counts = dict.fromkeys(_COUNTS, 0)
        # Of what is committed; that of the open load is in `_open`.
        self._tally = Tally(step.max_rejected)
        self._checks: Findings = ()
        self._open = OpenLoad(self._tally)

    def load(self) -> StepReceipt:
        """Carry the stream to its end, or to the stop signal. An error goes into the run log and is raised again."""
        step = self._step
        target = target_of(step, self._run.pipeline, self._run.run_id)
        loading = self._destination.loader(target, rebuild=step.action == "rebuild")
        with closing(self._guarding), closing(loading) as loader:
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
                if isinstance(error, CheckFailed):
                    self._checks = summed(summed(self._checks, self._open.checks), self._guarding.findings)
                # The run log in the destination is a courtesy here: the first error is the one to report.
                with suppress(BiefError):
                    loader.fail(self._run.clean(str(error)), cancelled=self._run.stop.is_set())
                raise
        return self.receipt("success" if complete else "cancelled")

    def _carry(self, loader: Loader) -> bool:
        """The road itself. True: the round is complete. False: it was stopped between two batches."""
        starts, commits = 0, self._batches
        while True:
            try:
                return self._read(loader)
            except (SourceChanged, _StartOver) as turn:
                loader.rollback()
                starts = starts + 1 if self._batches == commits else 1
                if starts > _MOST_STARTS:
                    raise turn.reason if isinstance(turn, _StartOver) else turn from None
                commits, self._open = self._batches, OpenLoad(self._tally)

    def _read(self, loader: Loader) -> bool:
        """From the last commit to the end of the round, or to the stop signal."""
        source_batches = self._source.read(self._step.stream.name, since=loader.position)
        with closing(read_ahead(source_batches)) as batches:
            for batch in batches:
                self._land(batch, loader)
                if batch.complete:
                    return True
                if self._run.stop.is_set():
                    return False
        return False

    def _land(self, batch: Batch, loader: Loader) -> None:
        """Write one batch, and commit where the source says so.

        A commit in doubt is settled by the ledger, which is asked when the load is begun again with the same batch
        id. A load of which a part was lost with its connection must come from the source again.
        """
        stream, before = self._step.stream.name, self._open
        batch_id = f"{self._run.run_id}/{stream}/{self._batches}"
        failures: list[Exception] = []

        def once() -> tuple[OpenLoad, Committed | None]:
            landed = loader.begin(batch_id)
            if landed is None and failures and before.parts:
                raise _StartOver(failures[0])
            try:
                return self._write(batch, loader, batch_id, before, landed)
            except (DestinationUnavailable, CommitInDoubt) as error:
                failures.append(error)
                if isinstance(error, CommitInDoubt):
                    self._run.emit(CommitDoubted(stream=stream, batch_id=batch_id))
                raise

        after, committed = retried(once, what=f"the commit of {batch_id}", emit=self._run.emit, stop=self._run.stop)
        if committed is not None and any(isinstance(error, CommitInDoubt) for error in failures):
            self._run.emit(CommitSettled(stream=stream, batch_id=batch_id, landed=committed.landed_before))
        self._open = after
        if committed is not None:
            self._account(after, committed, batch_id)

    def _write(
        self, batch: Batch, loader: Loader, batch_id: str, before: OpenLoad, landed: Committed | None
    ) -> tuple[OpenLoad, Committed | None]:
        """The batch in the open load, which ends if the batch has a position. `landed`: it is in the table already."""
        began = self._run.clock.monotonic()
        if landed is None:
            load = self._guarding.load(batch, loader, batch_id)
            refused = loader.write(load).refused
            if batch.complete:
                self._guarding.judge(loader, self._run.clock.now())
        else:
            load, refused = self._guarding.landed(batch, loader, batch_id), ()
        after = before.plus(load, refused, self._guarding.findings, complete=batch.complete)
        committed = landed
        if landed is None and batch.position is not None:
            committed = loader.end(batch.position)
        return replace(after, seconds=before.seconds + self._run.clock.monotonic() - began), committed

    def _account(self, load: OpenLoad, committed: Committed, batch_id: str) -> None:
        """Add the counts of one commit to the receipt, and see that every row that was read is in one of them."""
        counts = {
            "read": load.read,
            "loaded": committed.loaded,
            "rejected": load.rejected + committed.refused,
            "filtered": load.filtered,
            "deduplicated": load.deduplicated + committed.superseded,
        }
        account(**counts, where=self._step.stream.name)
        counts["deleted"] = committed.deleted
        for name, number in counts.items():
            self._counts[name] += number
        self._batches += 1
        self._tally = load.tally
        self._checks = summed(self._checks, load.checks)
        self._open = OpenLoad(self._tally)
        self._run.emit(
            BatchCommitted(
                run_id=self._run.run_id,
                stream=self._step.stream.name,
                batch_id=batch_id,
                seconds=load.seconds,
                **counts,
            )
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
            checks=self._checks,
            **self._counts,
        )
