"""A source whose streams are Arrow tables in memory, in their types: what verifying is tested with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from bief.base.clock import SystemClock
from bief.base.events import Events
from bief.base.secrets import Redactor
from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance
from bief.config.checks import CheckOptions, Contract
from bief.guard.budget import Budget
from bief.guard.checks import checks_of
from bief.ports.source import Stream
from bief.run.plan import Pipeline, StreamLoad
from bief.run.receipt import Receipt
from bief.run.runner import Runner
from bief.run.verdict import Verdict
from bief.run.verify import Verification, verify
from bief.state.leases import Leases
from bief.state.store import Store


@dataclass
class TableSource:
    """`tables` can be changed between two reads. `deleted`: keys that the last batch of a stream reports."""

    declared: Sequence[Stream]
    tables: dict[str, pa.Table]
    batch_rows: int = 50_000
    deleted: dict[str, pa.Table] = field(default_factory=dict)
    reads: list[tuple[str, Position | None]] = field(default_factory=list)

    kind = "table"
    Options = BaseModel

    def streams(self) -> Sequence[Stream]:
        return self.declared

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        self.reads.append((stream, since))
        rows = self.tables[stream]
        for start in range(0, max(rows.num_rows, 1), self.batch_rows):
            part = rows.slice(start, self.batch_rows)
            done = start + self.batch_rows >= rows.num_rows
            texts = part.select([name for name in part.column_names if name != "photo"])
            yield Batch(
                rows=part.append_column(ROW_NUMBER, pa.array(range(part.num_rows), pa.int64())),
                position=Position({"rows": start + part.num_rows}, complete=done),
                deleted=self.deleted.get(stream) if done else None,
                provenance=Provenance(raw=lambda number, rows=texts: str(rows.slice(number, 1).to_pylist()[0])),
                typed=True,
            )

    def sample(self, stream: str, rows: int) -> Batch:
        return next(self.read(stream, None))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Bench:
    """A source, a destination and what runs and verifies a pipeline between them."""

    source: TableSource
    destination: Any
    folder: Path
    modes: Mapping[str, str] = field(default_factory=dict)
    max_rejected: str = "100%"
    contract: Contract = "evolve"
    checks: Sequence[Mapping[str, Any]] = ()
    stop: threading.Event = field(default_factory=threading.Event)

    def pipeline(self) -> Pipeline:
        loads = tuple(
            StreamLoad(
                stream,
                stream.name,
                self.modes.get(stream.name, "merge"),
                Budget.parse(self.max_rejected),
                contract=self.contract,
                checks=checks_of([CheckOptions.model_validate(each) for each in self.checks]),
            )
            for stream in self.source.declared
        )
        return Pipeline("shop", "tables", self.source, "warehouse", self.destination, loads)

    def run(self) -> Receipt:
        store = Store.in_folder(self.folder / ".bief")
        store.prepare()
        try:
            runner = Runner(store, Leases(store), Events(), SystemClock(), self.stop, Redactor())
            return runner.run(self.pipeline(), runner.new_run_id())
        finally:
            store.close()

    def verify(self, **how: Any) -> list[Verdict]:
        place = self.folder / "verify"
        place.mkdir(exist_ok=True)
        verdicts = list(verify(self.pipeline(), Verification(place, SystemClock(), self.stop, **how)))
        assert list(place.iterdir()) == []
        return verdicts
