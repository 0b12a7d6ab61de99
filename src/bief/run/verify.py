"""Source and destination held against each other, stream by stream. Called by `bief.assemble` for `bief verify`.

The source is read again from its beginning and goes the way of a load, through `run.guarding`, up to the point where
the rows would be written; the table is scanned at the same moment. What differs is found by `engines.comparing`.
Nothing is written.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa

from bief.base.clock import Clock
from bief.base.events import Event
from bief.batches.arrow import arrow, pc
from bief.batches.batch import Batch
from bief.batches.casting import cast_column
from bief.batches.schema import name_of
from bief.engines.comparing import Comparison, Plan, Side
from bief.errors import Problem, ProjectError, SourceChanged
from bief.guard.checks import Check
from bief.ports.destination import AddColumn, Destination, Load, Loader
from bief.ports.source import Source
from bief.run.guarding import Guarding
from bief.run.plan import Pipeline, PlannedStep, make_plan
from bief.run.read_ahead import read_ahead
from bief.run.verdict import Quarantined, Verdict, verdict_of

Progress = Callable[[str, str, int], None]
_MOST_STARTS: Final = 10
_REFUSED: Final = "refused"
_QUARANTINE: Final = "_bief_quarantine"


def _unseen(stream: str, side: str, rows: int) -> None:
    """Nobody watches."""


def _untold(event: Event) -> None:
    """What a load would do to the table is not done."""


@dataclass(frozen=True)
class Verification:
    """How to verify. `folder`: where both sides are set down while they are compared. `until`: the value of the cursor
    after which rows are left out, as text. `progress` is called with stream, side (`source` or `destination`) and the
    rows read so far, from two threads.
    """

    folder: Path
    clock: Clock
    stop: threading.Event
    sample: int = 10
    until: str | None = None
    progress: Progress = _unseen


def verify(pipeline: Pipeline, how: Verification) -> Iterator[Verdict]:
    """What differs, stream by stream; ends early when `how.stop` is set. Raises SourceError, DestinationError, and
    ProjectError where `until` fits no stream."""
    steps = make_plan(pipeline).steps
    schemas = [pipeline.destination.columns(step.table, history=step.mode == "history") for step in steps]
    if how.until is not None and not any(
        _until(step, schema, how.until) is not None for step, schema in zip(steps, schemas, strict=True)
    ):
        raise _no_cursor(pipeline.name)
    for step, schema in zip(steps, schemas, strict=True):
        verdict = _Stream(pipeline, step, schema, how).verdict()
        if verdict is None:
            return
        yield verdict


@dataclass
class _Onlooker:
    """Stands where the loader stands in a load, and shows the guard the table as it is."""

    schema: pa.Schema | None

    def lookup(self, table: str, keys: pa.Table, columns: Sequence[str] = ()) -> None:
        """What other rows say about a row is not looked at again."""


@dataclass
class _Source:
    """What became of the source's records on their way."""

    began: datetime
    ended: datetime | None = None
    rejected: int = 0
    quarantined: Quarantined = field(default_factory=Quarantined)
    new_columns: dict[str, None] = field(default_factory=dict)


class _Stream:
    """The comparison of one stream with its table."""

    def __init__(self, pipeline: Pipeline, step: PlannedStep, schema: pa.Schema | None, how: Verification) -> None:
        self._pipeline = pipeline.name
        self._source: Source = pipeline.source
        self._destination: Destination = pipeline.destination
        self._step = step
        self._schema = schema
        self._how = how
        self._source_name = pipeline.source_name

    def verdict(self) -> Verdict | None:
        """The verdict; None if the work was stopped."""
        with closing(Guarding(_alone(self._step), self._source_name, _untold)) as self._guarding:
            return self._settled()

    def _settled(self) -> Verdict | None:
        for _ in range(_MOST_STARTS - 1):
            try:
                return self._compared()
            except SourceChanged:
                continue
        return self._compared()

    def _compared(self) -> Verdict | None:
        began = self._how.clock.monotonic()
        source = _Source(self._how.clock.now(), quarantined=_quarantined(self._destination, self._pipeline, self._step))
        with (
            tempfile.TemporaryDirectory(dir=self._how.folder, prefix="verify-") as folder,
            closing(read_ahead(self._source.read(self._step.stream.name, since=None))) as batches,
        ):
            loads = self._loads(batches, source)
            first = next(loads, None)
            schema = self._schema if self._schema is not None or first is None else first.rows.schema
            plan = self._plan(schema if schema is not None else pa.schema([]))
            with closing(Comparison(plan, Path(folder))) as comparison:
                self._fill(comparison, first, loads, source)
                if source.ended is None:
                    return None
                outcome = comparison.outcome(self._how.sample)
        state = self._destination.state(self._pipeline, self._step.stream.name, self._step.table)
        return verdict_of(
            self._step,
            plan,
            outcome,
            table_exists=self._schema is not None,
            rejected=source.rejected,
            quarantined=source.quarantined,
            new_columns=tuple(source.new_columns),
            source_read=(source.began, source.ended),
            last_load=(state.last_success, state.position is not None and state.position.complete),
            seconds=self._how.clock.monotonic() - began,
        )

    def _fill(self, comparison: Comparison, first: Load | None, loads: Iterator[Load], source: _Source) -> None:
        """Both sides at once."""
        halt = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="bief-scan") as pool:
            scanning = pool.submit(self._scan, comparison.second, halt)
            try:
                while first is not None:
                    self._add(comparison.first, first, source)
                    _raise_failure(scanning)
                    first = next(loads, None)
            except BaseException:
                halt.set()
                raise
            if self._how.stop.is_set():
                halt.set()
            scanning.result()

    def _scan(self, side: Side, halt: threading.Event) -> None:
        if self._schema is None:
            return
        history = self._step.mode == "history"
        with closing(self._destination.scan(self._step.table, self._schema.names, history=history)) as parts:
            for rows in parts:
                if halt.is_set():
                    return
                side.add(rows)
                self._how.progress(self._step.stream.name, "destination", side.rows)

    def _loads(self, batches: Iterator[Batch], source: _Source) -> Iterator[Load]:
        """The batches as loads, made by the very code that makes them in a run."""
        onlooker = cast("Loader", _Onlooker(self._schema))
        for batch in batches:
            yield self._guarding.load(batch, onlooker, "verify")
            if batch.complete:
                source.ended = self._how.clock.now()
            if batch.complete or self._how.stop.is_set():
                return

    def _add(self, side: Side, load: Load, source: _Source) -> None:
        known = self._schema.names if self._schema is not None else None
        for change in load.changes:
            if known is not None and isinstance(change, AddColumn):
                source.new_columns[change.name] = None
        source.rejected += len(load.rejected)
        for row in load.rejected:
            source.quarantined.meet(row.raw)
        side.add(_without_refused(load, source.quarantined))
        if load.deleted is not None and load.deleted.num_rows and self._step.mode != "append":
            side.delete(load.deleted)
        self._how.progress(self._step.stream.name, "source", side.rows)

    def _plan(self, schema: pa.Schema) -> Plan:
        stream, step = self._step.stream, self._step
        cursor = stream.cursor if stream.cursor in schema.names else None
        key = stream.primary_key if set(stream.primary_key) <= set(schema.names) else ()
        if step.mode == "append":
            key = (*key, cursor) if key and cursor else ()
        until = None if self._how.until is None else _until(step, schema, self._how.until)
        return Plan(schema, key, cursor, until, scope="contained" if step.mode == "append" else "equal")


def _alone(step: PlannedStep) -> PlannedStep:
    """The step as far as a row can be judged by itself, and without failing as a whole."""
    checks = tuple(check for check in step.checks if _by_itself(check))
    return replace(step, checks=checks, contract="divert" if step.contract == "freeze" else step.contract)


def _by_itself(check: Check) -> bool:
    rule = check.rule
    return check.severity == "reject" and not (rule.is_of_table or rule.unique or rule.relationship)


def _quarantined(destination: Destination, pipeline: str, step: PlannedStep) -> Quarantined:
    """What the quarantine holds of the stream. Rows that only the load could judge are told apart: the database refused
    them, or they broke a check that looks at other rows."""
    by_load = {_REFUSED, *(check.name for check in step.checks if not _by_itself(check))}
    held = Quarantined()
    if destination.columns(_QUARANTINE) is None:
        return held
    for rows in destination.scan(_QUARANTINE, ("pipeline", "stream", "rule", "raw")):
        mine = pc.and_(pc.equal(rows.column("pipeline"), pipeline), pc.equal(rows.column("stream"), step.stream.name))
        for row in rows.filter(mine).select(["rule", "raw"]).to_pylist():
            held.hold(row["raw"], refused=row["rule"] in by_load)
    return held


def _without_refused(load: Load, quarantined: Quarantined) -> pa.Table:
    """The rows without those that were set aside in the middle of their load: the quarantine has them."""
    if not quarantined.has_refused:
        return load.rows
    kept = []
    for place in range(load.rows.num_rows):
        row = load.refuse(place, "")
        if row is None or not quarantined.is_refused(row.raw):
            kept.append(place)
    return load.rows.take(arrow.array(kept, pa.int64()))


def _raise_failure(scanning: Future[None]) -> None:
    if scanning.done():
        scanning.result()


def _until(step: PlannedStep, schema: pa.Schema | None, text: str) -> Any:
    """The value of `--until` in the type of the stream's cursor; None if it has none. Raises ProjectError."""
    cursor = step.stream.cursor
    if schema is None or cursor is None or cursor not in schema.names:
        return None
    arrow_type = schema.field(cursor).type
    values, misfits = cast_column(arrow.chunked_array([[text]], pa.string()), arrow_type)
    if pc.any(misfits).as_py():
        what = f"--until: '{text}' is no {name_of(arrow_type)}, as the column '{cursor}' of {step.table} has it."
        raise ProjectError([Problem("command line", None, what, "A timestamp is written 2026-01-31T12:00:00Z.")])
    return values[0].as_py()


def _no_cursor(pipeline: str) -> ProjectError:
    what = f"--until: no stream of pipeline '{pipeline}' that is compared has a cursor column in its table."
    return ProjectError([Problem("command line", None, what, "Leave --until out, or --select a stream with a cursor.")])
