"""The plan: what a run would do, as data. Explaining it and doing it read the same list.

`bief.assemble` joins a `Pipeline` from the project file; `make_plan` turns it into steps; `run.runner` does them and
`bief plan` prints them. Making a plan reads the destination's memory of each stream, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bief.batches.batch import Position
from bief.config.checks import Contract
from bief.errors import Problem, ProjectError
from bief.guard.budget import Budget
from bief.guard.checks import Check
from bief.ports.destination import Destination, Mode, Target
from bief.ports.records import StreamState
from bief.ports.source import Source, Stream
from bief.run.guarantee import guarantee

Action = Literal["full read", "incremental read", "resume", "rebuild"]


@dataclass(frozen=True)
class StreamLoad:
    """What the project file says about loading one stream."""

    stream: Stream
    table: str
    mode: Mode
    max_rejected: Budget
    allow_empty: bool = False
    contract: Contract = "evolve"
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A source joined to a destination, with the streams that go from one to the other."""

    name: str
    source_name: str
    source: Source
    destination_name: str
    destination: Destination
    loads: tuple[StreamLoad, ...]
    parallel_streams: int = 4


@dataclass(frozen=True)
class PlannedStep:
    """One stream of one pipeline, and how it would be loaded. `rows` counts the table's rows, if it is known.

    `after`: the streams of this plan whose tables its checks look at, and which are therefore loaded before it.
    """

    stream: Stream
    table: str
    mode: Mode
    max_rejected: Budget
    allow_empty: bool
    action: Action
    guarantee: str
    position: Position | None
    table_exists: bool
    rows: int | None
    contract: Contract = "evolve"
    checks: tuple[Check, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All steps of one pipeline, in the order of the project file."""

    pipeline: str
    source: str
    destination: str
    steps: tuple[PlannedStep, ...]


def selected(pipeline: Pipeline, names: Sequence[str]) -> Pipeline:
    """The pipeline with the named streams only, or all of it where none is named. Raises ProjectError."""
    known = {load.stream.name: load for load in pipeline.loads}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProjectError(
            [
                Problem(
                    file="command line",
                    line=None,
                    what=f"pipeline '{pipeline.name}' has no stream '{name}'.",
                    do=f"Its streams are {', '.join(known)}.",
                )
                for name in unknown
            ]
        )
    return replace(pipeline, loads=tuple(load for name, load in known.items() if not names or name in names))


def make_plan(pipeline: Pipeline, *, full_refresh: bool = False) -> Plan:
    """The plan of a pipeline. Raises DestinationError."""
    return Plan(
        pipeline=pipeline.name,
        source=pipeline.source_name,
        destination=pipeline.destination_name,
        steps=tuple(_step(pipeline, load, full_refresh=full_refresh) for load in pipeline.loads),
    )


def parents(load: StreamLoad, loads: Sequence[StreamLoad]) -> tuple[str, ...]:
    """The streams, among those of `loads`, whose tables the checks of a stream look at."""
    tables = {check.rule.relationship.table for check in load.checks if check.rule.relationship}
    return tuple(other.stream.name for other in loads if other.table in tables and other.table != load.table)


def waves(steps: Sequence[PlannedStep]) -> Iterator[list[PlannedStep]]:
    """The steps in the order in which they can be done: those of one list side by side, one list after the other."""
    done: set[str] = set()
    waiting = list(steps)
    while waiting:
        ready = [step for step in waiting if done.issuperset(step.after)]
        if not ready:
            raise ValueError("steps wait for each other")
        yield ready
        done |= {step.stream.name for step in ready}
        waiting = [step for step in waiting if step.stream.name not in done]


def _step(pipeline: Pipeline, load: StreamLoad, *, full_refresh: bool) -> PlannedStep:
    state = pipeline.destination.state(pipeline.name, load.stream.name, load.table)
    return PlannedStep(
        stream=load.stream,
        table=load.table,
        mode=load.mode,
        max_rejected=load.max_rejected,
        allow_empty=load.allow_empty,
        action="rebuild" if full_refresh else _action(load.stream, state),
        guarantee=guarantee(load.stream, load.mode, pipeline.destination.capabilities),
        position=state.position,
        table_exists=state.table_exists,
        rows=state.rows,
        contract=load.contract,
        checks=load.checks,
        after=parents(load, pipeline.loads),
    )


def _action(stream: Stream, state: StreamState) -> Action:
    if state.position is None:
        return "full read"
    if not state.position.complete:
        return "resume"
    return "incremental read" if stream.incremental else "full read"


def target_of(step: PlannedStep, pipeline: str, run_id: str) -> Target:
    """Where a run loads a step."""
    return Target(
        pipeline=pipeline,
        stream=step.stream.name,
        table=step.table,
        mode=step.mode,
        run_id=run_id,
        primary_key=step.stream.primary_key,
        version_column=step.stream.cursor,
        allow_empty=step.allow_empty,
    )
