"""A project folder, ready to run: what the command line (and Python, as `bief.Project`) talks to.

`assemble.joining` has made its parts; the work itself is done by `run.runner`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

import pyarrow as pa

from bief.assemble.connections import Connection, reached
from bief.assemble.corrections import Quarantined, Replayed, replay, take_back
from bief.assemble.joining import join, option_problems
from bief.assemble.previewing import Preview, preview
from bief.assemble.raw import keeping, replayed
from bief.base.events import Events, Subscriber
from bief.base.secrets import Redactor
from bief.config.loading import ProjectFile, load_project
from bief.errors import Problem, ProjectError, UnknownRun
from bief.observe.logs import LogFile
from bief.ports.destination import Destination
from bief.ports.records import QuarantineFilter
from bief.ports.runtime import Runtime
from bief.ports.source import Source
from bief.run.edits import read_edits
from bief.run.plan import Pipeline, Plan, make_plan, selected
from bief.run.raw_zone import RawZone
from bief.run.receipt import Receipt, RunKind
from bief.run.replay import ReplayRequest
from bief.run.rollback import Rollback, make_rollback
from bief.run.runner import Road, Runner
from bief.run.verdict import Verdict
from bief.run.verify import Progress, Verification, verify
from bief.state.leases import Leases
from bief.state.records import RunRecord
from bief.state.store import Store

STATE_FOLDER: Final = ".bief"
Part = TypeVar("Part")


class Project:
    """A project folder, ready to run. Loading it does no I/O but reading the folder."""

    def __init__(self, file: ProjectFile) -> None:
        self.folder = file.folder
        self.name = file.project.project
        self.redactor: Redactor = file.redactor
        self.stop = threading.Event()
        self._file = file
        self._events = Events()
        self._runtime = Runtime(folder=file.folder, emit=self._events.emit, stop=self.stop, redactor=file.redactor)
        self._joined = join(file, self._runtime)

    @classmethod
    def load(cls, folder: Path | str) -> Project:
        """The project in that folder. Raises ProjectError with every problem that can be seen without I/O."""
        return cls(load_project(Path(folder), also=option_problems))

    def pipelines(self) -> list[str]:
        return list(self._joined.pipelines)

    def destinations(self) -> list[str]:
        return list(self._joined.destinations)

    def run(
        self,
        pipeline: str,
        *,
        full_refresh: bool = False,
        select: Sequence[str] = (),
        from_raw: str | None = None,
        subscribers: Sequence[Subscriber] = (),
    ) -> Receipt:
        """Run a pipeline now and give its receipt; failures of streams are in the receipt.

        `from_raw`: an earlier run of the pipeline, whose raw data is loaded in the place of the source's. Setting
        `stop` ends the run after the batches being committed. Raises AlreadyRunning, ProjectError, RunError.
        """
        joined = selected(self._pipeline(pipeline), select)
        runner = self._runner
        run_id = runner.new_run_id()
        with LogFile(self.log_path(run_id), self.redactor) as log, self._events.heard_by(log, *subscribers):
            if from_raw is not None:
                kept = self._raw_run(pipeline, from_raw)
                joined = replayed(joined, self._runtime, self._raw_zone, kept, full_refresh=full_refresh)
                return runner.run(joined, run_id, full_refresh=full_refresh)
            declared = self._file.project.pipelines[pipeline]
            receipt = runner.run(
                keeping(joined, declared, self._runtime, self._raw_zone, run_id), run_id, full_refresh=full_refresh
            )
            self._raw_zone.forget(pipeline, but=declared.raw.runs)
            return receipt

    def quarantine(
        self,
        pipeline: str | None = None,
        *,
        select: Sequence[str] = (),
        run: str | None = None,
        rule: str | None = None,
        ids: Sequence[str] = (),
    ) -> Quarantined:
        """The rejected rows that are kept, of all pipelines or of one. Raises ProjectError, UnknownRun."""
        name = None if pipeline is None else selected(self._pipeline(pipeline), select).name
        run_id = None if run is None else self.run_record(run).run_id
        which = QuarantineFilter(name, select[0] if select else None, run_id, rule, tuple(ids))
        return Quarantined(tuple(self._joined.destinations.values()), which)

    def replay(
        self,
        pipeline: str,
        *,
        select: Sequence[str] = (),
        ids: Sequence[str] = (),
        rule: str | None = None,
        edits: Path | None = None,
        dry_run: bool = False,
        subscribers: Sequence[Subscriber] = (),
    ) -> Replayed:
        """Try quarantined rows again, and load those that pass now; `dry_run` takes all of it back.

        `edits` is a file with corrected records (`run.edits`). Raises as `run`.
        """
        request = ReplayRequest(tuple(ids), rule, read_edits(edits) if edits else {}, rehearse=dry_run)
        correct = partial(self._correct, kind="replay", subscribers=subscribers, rehearse=dry_run)
        return replay(selected(self._pipeline(pipeline), select), request, correct)

    def plan_rollback(self, run: str, select: Sequence[str] = ()) -> Rollback:
        """What `rollback` would take back, and what it cannot. Raises UnknownRun, DestinationError."""
        record = self.run_record(run)
        return make_rollback(selected(self._pipeline(record.pipeline), select), record.run_id)

    def rollback(self, run: str, select: Sequence[str] = (), *, subscribers: Sequence[Subscriber] = ()) -> Receipt:
        """Take back what a run has loaded: all of it, or nothing if a part cannot be. Raises as `run`."""
        plan = self.plan_rollback(run, select)
        correct = partial(self._correct, kind="rollback", subscribers=subscribers)
        return take_back(self._pipeline(plan.pipeline), plan, correct)

    def plan(self, pipeline: str) -> Plan:
        """What a run would do. Changes nothing."""
        return make_plan(self._pipeline(pipeline))

    def verify(
        self,
        pipeline: str,
        *,
        select: Sequence[str] = (),
        sample: int = 10,
        until: str | None = None,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """Read the source again and compare it with the destination, stream by stream. Writes nothing.

        The first `sample` differing rows of each kind are in the verdicts. Setting `stop` ends it after the streams
        that are done. Raises ProjectError, SourceError, DestinationError.
        """
        folder = self.folder / STATE_FOLDER
        folder.mkdir(exist_ok=True)
        how = Verification(folder, self._runtime.clock, self.stop, sample, until, progress or (lambda *_: None))
        return list(verify(selected(self._pipeline(pipeline), select), how))

    def preview(self, pipeline: str, stream: str, rows: int) -> Preview:
        """The first rows of a stream before and after shaping; nothing is written."""
        return preview(selected(self._pipeline(pipeline), [stream]), rows)

    def check_connections(self) -> list[Connection]:
        """Reach every source, every destination and the control store, whatever the others answer."""
        parts: list[tuple[Literal["source", "destination"], str, Source | Destination]] = [
            *(("source", name, source) for name, source in self._joined.sources.items()),
            *(("destination", name, destination) for name, destination in self._joined.destinations.items()),
        ]
        found = [reached(role, name, part.kind, part.check) for role, name, part in parts]
        kind = "postgres" if self._file.project.state else "sqlite"
        return [*found, reached("state", "state", kind, lambda: self._store.list_runs(1))]

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """The latest runs, newest first."""
        return self._store.list_runs(limit)

    def run_record(self, run: str) -> RunRecord:
        """A run by its id, a unique beginning of it, or `latest`. Raises UnknownRun."""
        return self._store.find_run(run)

    def log_path(self, run_id: str) -> Path:
        """Where the log of a run is, one JSON object to a line."""
        return self.folder / STATE_FOLDER / "logs" / f"{run_id}.jsonl"

    def query(self, sql: str, destination: str | None = None, max_rows: int | None = None) -> pa.Table:
        """The rows of one SELECT, read-only. Raises ProjectError, DestinationError."""
        return self._destination(destination).query(sql, max_rows=max_rows)

    def close(self) -> None:
        """Let go of all connections."""
        for source in self._joined.sources.values():
            source.close()
        for destination in self._joined.destinations.values():
            destination.close()
        if "_store" in vars(self):
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _runner(self) -> Runner:
        return Runner(
            store=self._store,
            leases=Leases(self._store),
            events=self._events,
            clock=self._runtime.clock,
            stop=self.stop,
            redactor=self.redactor,
        )

    def _correct(
        self,
        pipeline: Pipeline,
        road: Road,
        *,
        kind: RunKind,
        subscribers: Sequence[Subscriber],
        rehearse: bool = False,
    ) -> Receipt:
        """A run that changes what others have loaded. A rehearsal leaves no log."""
        runner = self._runner
        run_id = runner.new_run_id()
        with ExitStack() as heard:
            log = [] if rehearse else [heard.enter_context(LogFile(self.log_path(run_id), self.redactor))]
            heard.enter_context(self._events.heard_by(*log, *subscribers))
            return runner.run(pipeline, run_id, road=road, kind=kind, rehearse=rehearse)

    @property
    def _raw_zone(self) -> RawZone:
        return RawZone(self.folder / STATE_FOLDER / "raw", self.redactor, self._runtime.clock)

    def _raw_run(self, pipeline: str, run: str) -> str:
        """The id of an earlier run of a pipeline. Raises UnknownRun."""
        record = self.run_record(run)
        if record.pipeline != pipeline:
            what = f"run {record.run_id} is one of the pipeline '{record.pipeline}', not of '{pipeline}'."
            raise UnknownRun(what, do="`bief runs` shows all runs.")
        return record.run_id

    @cached_property
    def _store(self) -> Store:
        state = self._file.project.state
        if state is not None:
            store = Store(state.url.reveal(), redactor=self.redactor)
        else:
            store = Store.in_folder(self.folder / STATE_FOLDER, redactor=self.redactor)
        store.prepare()
        return store

    def _pipeline(self, name: str) -> Pipeline:
        return _named(self._joined.pipelines, name, "pipeline")

    def _destination(self, name: str | None) -> Destination:
        if name is None and len(self._joined.destinations) == 1:
            return next(iter(self._joined.destinations.values()))
        return _named(self._joined.destinations, name or "", "destination")


def _named(known: dict[str, Part], name: str, role: str) -> Part:
    if name in known:
        return known[name]
    what = f"there is no {role} '{name}'." if name else f"there are several {role}s: say which."
    raise ProjectError([Problem("command line", None, what, f"This project has {', '.join(known)}.")])
