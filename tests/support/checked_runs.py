"""Runs of a pipeline whose streams are lists in memory, into a real destination, with checks and a contract."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from list_source import ListSource
from places import Place

from bief.base.clock import SystemClock
from bief.base.events import Event, Events
from bief.base.secrets import Redactor
from bief.batches.batch import Position
from bief.config.checks import CheckOptions
from bief.guard.budget import Budget
from bief.guard.checks import checks_of
from bief.ports.destination import Target
from bief.ports.source import Stream
from bief.run.guarding import Guarding
from bief.run.plan import Pipeline, StreamLoad, make_plan
from bief.run.receipt import Receipt
from bief.run.runner import Runner
from bief.state.leases import Leases
from bief.state.store import Store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class StoppedClock(SystemClock):
    """It is always noon of one day in November."""

    def now(self) -> datetime:
        return NOW


@dataclass
class CheckedRuns:
    """`load` puts rows into a table: one run of one pipeline with one stream."""

    place: Place
    folder: Path
    events: list[Event] = field(default_factory=list)

    def load(
        self,
        stream: str,
        rows: Sequence[Mapping[str, Any]],
        *checks: Mapping[str, Any],
        mode: str = "merge",
        key: Sequence[str] = ("id",),
        cursor: str | None = None,
        contract: str = "evolve",
        batch_rows: int = 100,
        full_refresh: bool = False,
        **stream_options: Any,
    ) -> Receipt:
        declared = Stream(stream, primary_key=tuple(key), cursor=cursor, **stream_options)
        options = [CheckOptions.model_validate(check) for check in checks]
        load = StreamLoad(
            declared, stream, mode, Budget.parse("100%"), contract=contract, checks=checks_of(options), allow_empty=True
        )
        return self.run([load], {stream: rows}, batch_rows=batch_rows, full_refresh=full_refresh)

    def run(
        self,
        loads: Sequence[StreamLoad],
        rows: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        batch_rows: int = 100,
        full_refresh: bool = False,
    ) -> Receipt:
        source = ListSource([load.stream for load in loads], rows, batch_rows)
        name = f"load_{loads[0].stream.name}"
        pipeline = Pipeline(name, "lists", source, "warehouse", self.place.first, tuple(loads), 4)
        store = Store.in_folder(self.folder / ".bief")
        store.prepare()
        events = Events()
        events.subscribe(self.events.append)
        try:
            runner = Runner(store, Leases(store), events, StoppedClock(), threading.Event(), Redactor())
            return runner.run(pipeline, runner.new_run_id(), full_refresh=full_refresh)
        finally:
            store.close()

    def land(
        self,
        stream: str,
        batches: Sequence[Sequence[Mapping[str, Any]]],
        *checks: Mapping[str, Any],
        mode: str = "merge",
        key: Sequence[str] = ("id",),
    ) -> None:
        """Each batch as a load of its own, without the rest of a run: guarded, written, committed."""
        options = [CheckOptions.model_validate(check) for check in checks]
        declared = Stream(stream, primary_key=tuple(key))
        load = StreamLoad(declared, stream, mode, Budget.parse("100%"), checks=checks_of(options))
        source = ListSource([declared], {})
        [step] = make_plan(Pipeline("lands", "lists", source, "warehouse", self.place.first, (load,))).steps
        target = Target("lands", stream, stream, mode, "run-1", primary_key=declared.primary_key)
        with closing(self.place.first.loader(target)) as loader, closing(Guarding(step, "lists", print)) as guarding:
            for number, rows in enumerate(batches):
                position = Position({"given": number}, complete=False)
                loader.begin(f"batch-{number}")
                loader.write(guarding.load(source._batch(rows, position), loader, f"batch-{number}"))
                loader.end(position)

    def events_of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def ids(self, table: str) -> list[Any]:
        return sorted(row["id"] for row in self.place.all(table)) if self.has(table) else []

    def has(self, table: str) -> bool:
        return self.place.first.columns(table) is not None

    def quarantine(self) -> list[tuple[str, str, str, str]]:
        """Origin, rule, column and reason of each rejected row."""
        sql = f"SELECT origin, rule, column_name, reason FROM {self.place.table('_bief_quarantine')} ORDER BY origin"
        return [tuple(row.values()) for row in self.place.rows(sql)]
