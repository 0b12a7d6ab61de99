"""Joins a pipeline to the raw zone: to keep what a run reads, or to load again what a run has kept."""

from __future__ import annotations

from dataclasses import replace

from bief.config.project import Pipeline as Declared
from bief.ports.runtime import Runtime
from bief.run.plan import Pipeline, make_plan
from bief.run.raw_rules import refuse_unsafe
from bief.run.raw_sources import KeepingSource, ReplayedSource
from bief.run.raw_zone import RawZone


def keeping(pipeline: Pipeline, declared: Declared, runtime: Runtime, zone: RawZone, run_id: str) -> Pipeline:
    """The pipeline, with a source that keeps what it reads where the project file says so. Raises RawUnusable."""
    streams = frozenset(load.stream.name for load in pipeline.loads if declared.keeps_raw(load.stream.name))
    if not streams:
        return pipeline
    zone.begin(run_id, pipeline.name)
    source = KeepingSource(pipeline.source_name, pipeline.source, runtime, zone=zone, run_id=run_id, streams=streams)
    return replace(pipeline, source=source)


def replayed(pipeline: Pipeline, runtime: Runtime, zone: RawZone, run_id: str, *, full_refresh: bool) -> Pipeline:
    """The pipeline with what a run has kept in the place of its source. Raises RawUnusable, DestinationError."""
    kept = {load.stream.name: zone.kept(run_id, load.stream.name) for load in pipeline.loads}
    refuse_unsafe(make_plan(pipeline).steps, kept, full_refresh=full_refresh)
    return replace(pipeline, source=ReplayedSource(pipeline.source_name, pipeline.source, runtime, kept=kept))
