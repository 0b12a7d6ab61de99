"""The way back: rows of the quarantine go through the guard as it is now, and what passes is loaded.

Called by `run.runner` in place of `run.ingest`, once for each stream. One transaction moves all rows of a stream that
pass: into the table, out of the quarantine, with a load record; the position of the stream stays. A row is therefore
in the quarantine or in the table, and never in both or neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from bief.base.events import BatchCommitted, StepStatus, StreamStarted
from bief.base.retries import retried
from bief.batches.batch import RejectedRow
from bief.batches.rows import RecordReader
from bief.errors import BiefError
from bief.guard.conservation import account
from bief.ports.destination import Committed, Destination, Load, Loader
from bief.ports.records import QuarantinedRow, QuarantineFilter
from bief.ports.source import Source
from bief.run.guarding import Guarding
from bief.run.ingest import Surroundings
from bief.run.older import without_older
from bief.run.plan import PlannedStep, target_of
from bief.run.receipt import StepReceipt
from bief.run.returning import returning

PAGE_ROWS: Final = 10_000


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay, and how: only these ids, only this rule, with other texts in place of stored ones.

    `rehearse`: do all of it, and take it back.
    """

    ids: tuple[str, ...] = ()
    rule: str | None = None
    edits: Mapping[str, str] = field(default_factory=dict)
    rehearse: bool = False


@dataclass
class Outcome:
    """What became of the rows of one stream. `reasons` counts those that stay by rule and column, and has the first
    reason of each."""

    read: int = 0
    loaded: int = 0
    deduplicated: int = 0
    filtered: int = 0
    rejected: int = 0
    reasons: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def stays(self, row: RejectedRow) -> None:
        """Count a row that stays in the quarantine."""
        self.rejected += 1
        count, example = self.reasons.get((row.rule, row.column), (0, row.reason))
        self.reasons[row.rule, row.column] = (count + 1, example)


class Replay:
    """Brings back the quarantined rows of one stream. `load()` does all of it; `outcome` tells what became of them."""

    def __init__(
        self,
        request: ReplayRequest,
        step: PlannedStep,
        source: Source,
        destination: Destination,
        run: Surroundings,
    ) -> None:
        self._request = request
        # A row that does not fit stays where it is: no reason to end the replay of all others.
        self._step = replace(step, contract="divert") if step.contract == "freeze" else step
        self._destination = destination
        self._run = run
        self._began = run.clock.monotonic()
        self._newest = 0
        self._which = QuarantineFilter(
            pipeline=run.pipeline, stream=step.stream.name, rule=request.rule, ids=request.ids
        )
        self.outcome = Outcome()

    def load(self) -> StepReceipt:
        """Bring the rows back. An error goes into the run log and is raised again; then nothing has moved."""
        self._choose()
        if not self._destination.rejected_rows(self._which, limit=1):
            return self.receipt("success")
        run, stream = self._run, self._step.stream.name
        target = target_of(self._step, run.pipeline, run.run_id)
        with closing(self._destination.loader(target, as_it_stands=True)) as loader:
            run.emit(StreamStarted(run_id=run.run_id, stream=stream, table=self._step.table, resumed=False))
            try:
                complete = retried(
                    lambda: self._carry(loader), what=f"the replay of {stream}", emit=run.emit, stop=run.stop
                )
                if not complete and not self._request.rehearse:
                    loader.fail("The replay was stopped before its end: nothing has moved.", cancelled=True)
            except Exception as error:
                # The run log in the destination is a courtesy here: the first error is the one to report.
                if not self._request.rehearse:
                    with suppress(BiefError):
                        loader.fail(run.clean(str(error)), cancelled=run.stop.is_set())
                self.outcome = Outcome()
                raise
        return self.receipt("success" if complete else "cancelled")

    def _choose(self) -> None:
        """In replace mode, only rows of the round that is published now belong into the table."""
        runs = self._destination.stream_runs(self._run.pipeline, self._step.stream.name)
        standing = [run for run in runs if not run.rolled_back]
        self._newest = max((run.last_load for run in standing), default=0)
        if self._step.mode == "replace":
            rounds = sorted((run.completed_load for run in standing if run.completed_load is not None), reverse=True)
            self._which = replace(self._which, since_load=rounds[1] + 1 if len(rounds) > 1 else 0)

    def _carry(self, loader: Loader) -> bool:
        """One try. A commit in doubt is settled by the ledger, when the next try begins. False: it was stopped."""
        batch_id = f"{self._run.run_id}/{self._step.stream.name}/replay"
        landed = loader.begin(batch_id)
        if landed is not None:
            self._account(landed, batch_id)
            return True
        self.outcome = Outcome()
        reader = RecordReader(self._step.stream.shape.reader_types())
        with closing(Guarding(self._step, self._run.source_name, self._run.emit)) as guarding:
            for page in self._pages():
                self._write(self._load(page, guarding, reader, loader, batch_id), loader)
                if self._run.stop.is_set():
                    loader.rollback()
                    self.outcome = Outcome()
                    return False
        if self._request.rehearse:
            loader.rollback()
        else:
            self._account(loader.end(None), batch_id)
        return True

    def _pages(self) -> Iterator[list[QuarantinedRow]]:
        """The chosen rows in the order of their ids, some at a time: memory does not grow with the quarantine."""
        after = ""
        while page := self._destination.rejected_rows(self._which, after=after, limit=PAGE_ROWS):
            yield page
            after = page[-1].id

    def _load(
        self, page: Sequence[QuarantinedRow], guarding: Guarding, reader: RecordReader, loader: Loader, batch_id: str
    ) -> Load:
        """The page as a part of the load: rows that pass, ids that are free, and reasons for the rest."""
        edits = self._request.edits
        found = returning(page, edits, self._step.stream.shape, reader, self._run.clean)
        load = guarding.load(found.batch, loader, batch_id)
        load = without_older(load, loader, self._step, newest=self._newest)
        stays = {row.origin: row for row in load.rejected} | dict(found.kept)
        for row in stays.values():
            self.outcome.stays(row)
        # What is wrong with an edit, or with a record that was not even tried, is no news about the stored one.
        old = {row.id: row.rejected for row in page if row.id in found.kept or row.id in edits}
        origins = {row.id: row.rejected.origin for row in page}
        return replace(
            load,
            read=len(page),
            rejected=(),
            still_rejected={each: old.get(each, row) for each, row in stays.items()},
            released=[row.id for row in page if row.id not in stays],
            refuse=lambda place, reason: _at_home(load.refuse(place, reason), origins),
        )

    def _write(self, load: Load, loader: Loader) -> None:
        written = loader.write(load)
        outcome = self.outcome
        outcome.read += load.read
        outcome.loaded += written.loaded
        outcome.deduplicated += load.deduplicated + written.superseded
        outcome.filtered += load.filtered
        for row in written.refused:
            outcome.stays(row)

    def _account(self, committed: Committed, batch_id: str) -> None:
        """See that every row that was read is in one of the counts, and tell."""
        outcome, run = self.outcome, self._run
        counts = {
            "read": outcome.read,
            "loaded": committed.loaded,
            "rejected": outcome.rejected,
            "filtered": outcome.filtered,
            "deduplicated": outcome.deduplicated,
        }
        account(**counts, where=self._step.stream.name)
        run.emit(
            BatchCommitted(
                run_id=run.run_id,
                stream=self._step.stream.name,
                batch_id=batch_id,
                seconds=run.clock.monotonic() - self._began,
                deleted=committed.deleted,
                **counts,
            )
        )

    def receipt(self, status: StepStatus, error: str = "") -> StepReceipt:
        """What became of the rows of the stream."""
        outcome = self.outcome
        return StepReceipt(
            stream=self._step.stream.name,
            table=self._step.table,
            mode=self._step.mode,
            status=status,
            read=outcome.read,
            loaded=outcome.loaded,
            rejected=outcome.rejected,
            filtered=outcome.filtered,
            deduplicated=outcome.deduplicated,
            batches=1 if outcome.read else 0,
            seconds=round(self._run.clock.monotonic() - self._began, 3),
            guarantee=self._step.guarantee,
            error=error,
        )


def _at_home(row: RejectedRow | None, origins: Mapping[str, str]) -> RejectedRow | None:
    """A row that the destination refused, with its place in the source again in place of its id."""
    return None if row is None else replace(row, origin=origins[row.origin])
