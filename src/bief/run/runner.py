"""One run of one pipeline: lease, plan, steps side by side, receipt.

Called by `bief.assemble`. Each step goes its road: that of `run.ingest`, `run.replay` or `run.rollback`; a step that
fails leaves the others alone.
"""

from __future__ import annotations

import secrets
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import repeat
from typing import Protocol

from bief.base.clock import Clock
from bief.base.events import CrashFound, Events, RunFinished, RunStarted, StepStatus, StreamFinished, Verdict
from bief.base.secrets import Redactor
from bief.errors import BiefError, LeaseLost
from bief.ports.destination import Destination
from bief.ports.source import Source
from bief.run.heartbeat import Heartbeat
from bief.run.ingest import Ingest, Surroundings
from bief.run.plan import Pipeline, PlannedStep, make_plan, waves
from bief.run.receipt import Receipt, RunKind, StepReceipt
from bief.state.leases import Leases
from bief.state.store import Store


class Step(Protocol):
    """One stream of a run: a load, a replay or a rollback."""

    def load(self) -> StepReceipt:
        """Do all of it. Raises `BiefError`."""
        ...

    def receipt(self, status: StepStatus, error: str = "") -> StepReceipt:
        """What was done, also after an error."""
        ...


Road = Callable[[PlannedStep, Source, Destination, Surroundings], Step]


@dataclass(frozen=True)
class Runner:
    """What every run of a project needs. `stop` ends a run after the batch that it is committing."""

    store: Store
    leases: Leases
    events: Events
    clock: Clock
    stop: threading.Event
    redactor: Redactor

    def new_run_id(self) -> str:
        """An id that sorts by time and can be typed: 20261120-131502-3f9c1a."""
        return f"{self.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

    def run(
        self,
        pipeline: Pipeline,
        run_id: str,
        *,
        full_refresh: bool = False,
        road: Road = Ingest,
        kind: RunKind = "run",
        rehearse: bool = False,
    ) -> Receipt:
        """Run a pipeline to its end. Failures of streams are in the receipt.

        `road` does the work of each step, and `kind` is its name. `rehearse`: it takes its work back, so the run is not
        written down. Raises AlreadyRunning, and RunError if the control store fails.
        """
        lease = self.leases.acquire(pipeline.name, run_id)
        try:
            began = self.clock.now()
            if not rehearse:
                for crashed in self.store.begin_run(run_id, pipeline.name, began):
                    self.events.emit(CrashFound(pipeline=pipeline.name, crashed_run_id=crashed))
            with Heartbeat(self.leases, lease, self.stop, self.clock) as heartbeat:
                receipt, trace = self._steps(pipeline, run_id, began, full_refresh=full_refresh, road=road)
            receipt = replace(receipt, kind=kind)
            if heartbeat.lost:
                lost = LeaseLost(
                    f"the lease of pipeline '{pipeline.name}' was lost: {heartbeat.lost}",
                    do="Nothing was loaded twice; the next run goes on from the last commit.",
                )
                receipt = replace(receipt, verdict="failed", error=self._clean(lost))
            if not rehearse:
                self._finish(receipt, trace)
        finally:
            self.leases.release(lease)
        return receipt

    def _steps(
        self, pipeline: Pipeline, run_id: str, began: datetime, *, full_refresh: bool, road: Road
    ) -> tuple[Receipt, str]:
        """All steps, and the traceback of an error that nobody foresaw and that is of no single step."""
        error = trace = ""
        steps: tuple[StepReceipt, ...] = ()
        try:
            pipeline.destination.prepare()
            plan = make_plan(pipeline, full_refresh=full_refresh)
            names = tuple(step.stream.name for step in plan.steps)
            self.events.emit(RunStarted(run_id=run_id, pipeline=pipeline.name, streams=names, at=began))
            surroundings = self._surroundings(pipeline, run_id)
            done: dict[str, StepReceipt] = {}
            with ThreadPoolExecutor(pipeline.parallel_streams, thread_name_prefix="bief-stream") as pool:
                for wave in waves(plan.steps):
                    of_all = (repeat(pipeline), repeat(surroundings), repeat(road), repeat(dict(done)))
                    receipts = pool.map(self._step, wave, *of_all)
                    done |= {receipt.stream: receipt for receipt in receipts}
            steps = tuple(done[name] for name in names)
            verdict = _verdict(steps)
        except Exception as failure:  # noqa: BLE001 - a run that began must end with a receipt
            verdict, error, trace = "failed", self._clean(failure), self._trace(failure)
        receipt = Receipt(
            run_id=run_id,
            pipeline=pipeline.name,
            verdict=verdict,
            started_at=began,
            finished_at=self.clock.now(),
            steps=steps,
            error=error,
        )
        return receipt, trace

    def _step(
        self, planned: PlannedStep, pipeline: Pipeline, run: Surroundings, road: Road, done: Mapping[str, StepReceipt]
    ) -> StepReceipt:
        step = road(planned, pipeline.source, pipeline.destination, run)
        trace = ""
        if self.stop.is_set():
            receipt = step.receipt("cancelled")
        elif missing := [name for name in planned.after if done[name].status != "success"]:
            what = f"its checks look at the table of {', '.join(missing)}, which could not be loaded in this run."
            receipt = step.receipt("failed", f"Not loaded: {what}")
        else:
            try:
                receipt = step.load()
            except Exception as error:  # noqa: BLE001 - one failing stream leaves the others alone
                status: StepStatus = "cancelled" if self.stop.is_set() else "failed"
                receipt = step.receipt(status, self._clean(error))
                trace = self._trace(error)
        self.events.emit(
            StreamFinished(
                run_id=run.run_id,
                stream=receipt.stream,
                status=receipt.status,
                read=receipt.read,
                loaded=receipt.loaded,
                rejected=receipt.rejected,
                seconds=receipt.seconds,
                error=receipt.error,
                trace=trace,
            )
        )
        return receipt

    def _surroundings(self, pipeline: Pipeline, run_id: str) -> Surroundings:
        return Surroundings(
            run_id=run_id,
            pipeline=pipeline.name,
            source_name=pipeline.source_name,
            emit=self.events.emit,
            stop=self.stop,
            clock=self.clock,
            clean=self.redactor.clean,
        )

    def _finish(self, receipt: Receipt, trace: str) -> None:
        self.store.finish_run(receipt.run_id, receipt.verdict, receipt.finished_at, receipt.as_json(), receipt.error)
        self.events.emit(
            RunFinished(
                run_id=receipt.run_id,
                pipeline=receipt.pipeline,
                verdict=receipt.verdict,
                seconds=receipt.seconds,
                error=receipt.error,
                trace=trace,
            )
        )

    def _clean(self, error: Exception) -> str:
        """The error as one paragraph without secrets."""
        if isinstance(error, BiefError):
            return self.redactor.clean(str(error))
        return self.redactor.clean(
            f"{type(error).__name__}: {error}. This is a bug in Bief: please report it with the log of this run."
        )

    def _trace(self, error: Exception) -> str:
        """The traceback of an error that nobody foresaw; an error of ours says enough by itself."""
        if isinstance(error, BiefError):
            return ""
        return self.redactor.clean("".join(traceback.format_exception(error)))


def _verdict(steps: Sequence[StepReceipt]) -> Verdict:
    statuses = {step.status for step in steps}
    if "cancelled" in statuses:
        return "cancelled"
    if statuses <= {"success"}:
        return "success"
    return "failed" if statuses == {"failed"} else "partial"
