"""A project that needs no connector: what `bief.assemble` promises to the command line, from memory."""

import sys
import threading
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bief.base.events import RunFinished, RunStarted, StreamFinished, StreamStarted
from bief.base.secrets import Redactor
from bief.batches.batch import Position, RejectedRow
from bief.cli.main import run
from bief.config.folder import no_project
from bief.errors import UnknownRun
from bief.observe.logs import LogFile
from bief.ports.source import Stream
from bief.run.receipt import Receipt, StepReceipt

CANARY = "canary-cli-55ab1"
START = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def step(stream, **changes):
    given = {"table": stream, "mode": "merge", "status": "success", "read": 10, "loaded": 10, "seconds": 0.5}
    return StepReceipt(stream=stream, **{**given, **changes})


def receipt(pipeline, *steps, verdict="success", error=""):
    return Receipt(
        run_id=f"run-{pipeline}",
        pipeline=pipeline,
        verdict=verdict,
        started_at=START,
        finished_at=START + timedelta(seconds=1.5),
        steps=steps or (step("customers"),),
        error=error,
    )


@dataclass
class Fake:
    """Answers of the project; a test sets those that it cares about. An exception is raised in place of an answer."""

    receipts: dict = field(default_factory=lambda: {"shop": receipt("shop"), "books": receipt("books")})
    connections: list = field(default_factory=list)
    records: list = field(default_factory=list)
    preview: object = None
    table: object = field(default_factory=lambda: pa.table({"n": [1, 2, 3]}))
    load_error: Exception | None = None
    calls: list = field(default_factory=list)


class FakeProject:
    """The shape of `bief.assemble.Project`."""

    fake: Fake

    def __init__(self, folder):
        self.folder = folder
        self.name = "demo"
        self.redactor = Redactor()
        self.redactor.learn(CANARY)
        self.stop = threading.Event()

    @classmethod
    def load(cls, folder):
        cls.fake.calls.append(("load", Path(folder)))
        if cls.fake.load_error:
            raise cls.fake.load_error
        if not (Path(folder) / "bief.yaml").exists():
            raise no_project(Path(folder))
        return cls(Path(folder))

    def pipelines(self):
        return list(self.fake.receipts)

    def destinations(self):
        return ["warehouse"]

    def run(self, pipeline, *, full_refresh=False, select=(), from_raw=None, subscribers=()):
        self.fake.calls.append(("run", pipeline, full_refresh, tuple(select)))
        answer = self.fake.receipts[pipeline]
        if isinstance(answer, Exception):
            raise answer
        self.tell(answer, subscribers)
        return answer

    def tell(self, answer, subscribers):
        streams = tuple(step.stream for step in answer.steps)
        events = [RunStarted(run_id=answer.run_id, pipeline=answer.pipeline, streams=streams, at=START)]
        for step in answer.steps:
            told = {"run_id": answer.run_id, "stream": step.stream}
            events.append(StreamStarted(**told, table=step.table, resumed=False))
            counts = {"read": step.read, "loaded": step.loaded, "rejected": step.rejected, "seconds": step.seconds}
            events.append(StreamFinished(**told, status=step.status, **counts, error=step.error))
        events.append(RunFinished(run_id=answer.run_id, pipeline=answer.pipeline, verdict=answer.verdict, seconds=1))
        with LogFile(self.log_path(answer.run_id), self.redactor) as log:
            for event in events:
                for subscriber in (*subscribers, log):
                    subscriber(event)

    def plan(self, pipeline):
        return plan_of(pipeline)

    def preview(self, pipeline, stream, rows):
        self.fake.calls.append(("preview", pipeline, stream, rows))
        return self.fake.preview

    def check_connections(self):
        return self.fake.connections

    def runs(self, limit=20):
        return self.fake.records[:limit]

    def run_record(self, name):
        for record in self.fake.records:
            if name == "latest" or record.run_id.startswith(name):
                return record
        raise UnknownRun(f"there is no run '{name}'.")

    def log_path(self, run_id):
        return self.folder / ".bief" / "logs" / f"{run_id}.jsonl"

    def query(self, sql, destination=None, max_rows=None):
        self.fake.calls.append(("query", sql, destination, max_rows))
        if isinstance(self.fake.table, Exception):
            raise self.fake.table
        return self.fake.table.slice(0, max_rows)

    def close(self):
        self.fake.calls.append(("close",))


def plan_of(pipeline):
    stream = Stream(name="customers", primary_key=("id",))
    position = Position({"cursor": "2024-01-01"}, complete=True)
    planned = types.SimpleNamespace(
        stream=stream,
        table="customers",
        mode="merge",
        action="incremental read",
        guarantee="exactly-once effect",
        position=position,
        table_exists=True,
        rows=7,
    )
    return types.SimpleNamespace(pipeline=pipeline, source="api", destination="warehouse", steps=(planned,))


def record(name, state="success", receipt=None, error=""):
    end = None if state == "running" else START + timedelta(seconds=90)
    return types.SimpleNamespace(
        run_id=name, pipeline="shop", state=state, started_at=START, finished_at=end, receipt=receipt, error=error
    )


def rejected():
    return RejectedRow(origin="page 1, record 2", rule="type", reason="'x' is not a number", raw="{}", column="amount")


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The answers behind `bief.assemble`, and a project folder that is the current one."""
    fake = Fake()
    module = types.ModuleType("bief.assemble")
    module.Project = type("Project", (FakeProject,), {"fake": fake})
    module.json_schema = lambda: {"title": "bief.yaml"}
    monkeypatch.setitem(sys.modules, "bief.assemble", module)
    (tmp_path / "bief.yaml").write_text("project: demo\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return fake


@pytest.fixture
def bief(capsys):
    """Call the command line; gives exit code, stdout and stderr."""

    def bief(*arguments):
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return bief
