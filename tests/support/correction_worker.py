"""A process that replays the quarantine of a stream, or takes its newest run back, and that fault tests kill.

`python correction_worker.py KIND WHERE FOLDER MODE DEED`. Two runs load `ROWS` records each, of which some are rejected
because their amount is no number or their key is missing; the replay comes with edits that put the amounts right.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from json_source import JsonSource
from places import Place, place_of

from bief.assemble.corrections import replay, take_back
from bief.base.clock import SystemClock
from bief.base.events import Events
from bief.base.secrets import Redactor
from bief.batches.schema import TEXT, type_named
from bief.batches.shaping import ColumnRule, Shape
from bief.guard.budget import Budget
from bief.ports.records import QuarantineFilter
from bief.ports.source import Stream
from bief.run import replay as replaying
from bief.run.plan import Pipeline, StreamLoad
from bief.run.replay import ReplayRequest
from bief.run.rollback import make_rollback
from bief.run.runner import Runner
from bief.state.leases import Leases
from bief.state.store import Store

ROWS = 60
PAGE_ROWS = 7
STREAM = Stream(
    "orders",
    primary_key=("id",),
    cursor="v",
    shape=Shape(columns={"note": ColumnRule(type=TEXT), "amount": ColumnRule(type=type_named("decimal(9,2)"))}),
)


def record(run: int, number: int) -> dict[str, Any]:
    """Every fifth record has an amount that is no number, every fifteenth no key either."""
    key = None if number % 15 == 0 else run * 1000 + number if number % 2 else number
    return {"id": key, "v": run, "amount": "much" if number % 5 == 0 else number, "note": f"{run}/{number}"}


def records(run: int) -> list[dict[str, Any]]:
    return [record(run, number) for number in range(1, ROWS + 1)]


class Corrections:
    """A pipeline of one stream into a place."""

    def __init__(self, place: Place, mode: str) -> None:
        self.place, self.mode = place, mode
        self.source = JsonSource([STREAM], {"orders": []}, batch_rows=25)
        self.store = Store.in_folder(place.folder / ".bief")
        self.store.prepare()
        surroundings = (Events(), SystemClock(), threading.Event(), Redactor())
        self.runner = Runner(self.store, Leases(self.store), *surroundings)

    def pipeline(self) -> Pipeline:
        load = StreamLoad(STREAM, "orders", self.mode, Budget.parse("100%"))
        return Pipeline("shop", "json", self.source, "warehouse", self.place.first, (load,), 1)

    def load(self, run: int) -> str:
        """A run that loads the records of that number; its id."""
        self.source.texts["orders"] = [json.dumps(each) for each in records(run)]
        receipt = self.runner.run(self.pipeline(), f"run-{run}")
        assert receipt.verdict == "success", receipt
        return receipt.run_id

    def replay(self) -> None:
        """Everything in the quarantine whose amount can be read as a number now: the edits say which."""
        replaying.PAGE_ROWS = PAGE_ROWS
        request = ReplayRequest(edits={row.id: row.rejected.raw.replace('"much"', "0") for row in self.kept()})
        done = replay(self.pipeline(), request, partial(self._run, "replay"))
        assert done.receipt.verdict == "success", done.receipt

    def take_back(self, run_id: str) -> None:
        plan = make_rollback(self.pipeline(), run_id)
        receipt = take_back(self.pipeline(), plan, partial(self._run, "rollback"))
        assert receipt.verdict == "success", receipt

    def kept(self) -> list[Any]:
        return self.place.first.rejected_rows(QuarantineFilter(), limit=10_000)

    def everywhere(self) -> tuple[Counter[str], Counter[str]]:
        """The notes, which name each record, of the rows in the table and of those in the quarantine."""
        table = Counter(row["note"] for row in self.place.all("orders", "note"))
        return table, Counter(json.loads(row.rejected.raw)["note"] for row in self.kept())

    def close(self) -> None:
        self.store.close()
        self.place.first.close()

    def _run(self, kind: Any, pipeline: Pipeline, road: Any) -> Any:
        return self.runner.run(pipeline, self.runner.new_run_id(), road=road, kind=kind)


if __name__ == "__main__":
    kind, where, folder, mode, deed = sys.argv[1:]
    place = place_of(kind, Path(folder), where if kind == "postgres" else "")
    corrections = Corrections(place, mode)
    if deed == "replay":
        corrections.replay()
    else:
        corrections.take_back(deed)
    corrections.close()
