"""A run from lease to receipt: a source in memory, a real SQLite destination, a real control store."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from list_source import ListSource

from bief.base.clock import SystemClock
from bief.base.events import BatchCommitted, CrashFound, Events, RunFinished, StreamFinished
from bief.base.secrets import Redactor
from bief.batches.schema import type_named
from bief.batches.shaping import ColumnRule, Shape
from bief.destinations.sqlite import SqliteDestination
from bief.errors import AlreadyRunning, ProjectError, SourceRefused
from bief.guard.budget import Budget
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.run.plan import Pipeline, StreamLoad, make_plan, selected
from bief.run.runner import Runner
from bief.state.leases import Leases, Owner
from bief.state.store import Store

NAMES = ("ada", "bob", "cyd", "dee", "eve")
PEOPLE = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
ORDERS = [{"id": number, "amount": f"{number}.50"} for number in range(6)]
ORDER = Stream(
    "orders", primary_key=("id",), shape=Shape(columns={"amount": ColumnRule(type=type_named("decimal(9,2)"))})
)
PERSON = Stream("people", primary_key=("id",))


class House:
    """Everything around one run."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store.in_folder(folder / ".bief")
        self.store.prepare()
        self.stop = threading.Event()
        self.redactor = Redactor()
        self.heard = []
        self.events = Events()
        self.events.subscribe(self.heard.append)
        self.destination = self.new_destination()
        self.source = ListSource([PERSON, ORDER], {"people": PEOPLE, "orders": ORDERS})

    def new_destination(self):
        options = SqliteDestination.Options(path="shop.db")
        return SqliteDestination("warehouse", options, Runtime(folder=self.folder))

    def pipeline(self, *streams, mode="merge", max_rejected="1%"):
        loads = [StreamLoad(stream, stream.name, mode, Budget.parse(max_rejected)) for stream in streams]
        return Pipeline("shop", "lists", self.source, "warehouse", self.destination, tuple(loads), 2)

    def run(self, pipeline, **options):
        runner = Runner(self.store, Leases(self.store), self.events, SystemClock(), self.stop, self.redactor)
        return runner.run(pipeline, runner.new_run_id(), **options)

    def rows(self, sql):
        connection = sqlite3.connect(self.folder / "shop.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def heard_of(self, kind):
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.destination.close()
    made.store.close()


def test_all_rows_land_and_the_receipt_accounts_for_each(house):
    receipt = house.run(house.pipeline(PERSON, ORDER))

    assert receipt.verdict == "success"
    assert house.rows("SELECT id, name FROM people ORDER BY id") == [(row["id"], row["name"]) for row in PEOPLE]
    assert house.rows("SELECT amount FROM orders ORDER BY id")[:2] == [("0.50",), ("1.50",)]
    for step in receipt.steps:
        assert step.read == step.loaded + step.rejected + step.filtered + step.deduplicated
    assert {step.stream: (step.read, step.batches) for step in receipt.steps} == {"people": (5, 3), "orders": (6, 3)}


def test_the_store_remembers_the_run_and_the_lease_is_free_again(house):
    first = house.run(house.pipeline(PERSON))
    second = house.run(house.pipeline(PERSON))

    assert [run.run_id for run in house.store.list_runs(5)] == [second.run_id, first.run_id]
    assert house.store.find_run(first.run_id).receipt["steps"][0]["loaded"] == 5
    assert [event.verdict for event in house.heard_of(RunFinished)] == ["success", "success"]


def test_a_failing_stream_leaves_the_others_alone(house):
    house.source.breaks["people"] = (3, SourceRefused("403 for /people.", do="Ask for the right."))

    receipt = house.run(house.pipeline(PERSON, ORDER))

    assert receipt.verdict == "partial"
    people, orders = receipt.steps
    assert (people.status, people.loaded) == ("failed", 2)
    assert "403 for /people. Ask for the right." in people.error
    assert (orders.status, orders.loaded) == ("success", 6)
    assert house.store.find_run("latest").state == "partial"
    assert house.rows("SELECT table_name, status FROM etl_logs ORDER BY table_name") == [
        ("orders", "success"),
        ("people", "failed"),
    ]


def test_the_next_run_goes_on_at_the_last_commit(house):
    house.source.breaks["people"] = (4, SourceRefused("torn."))
    house.run(house.pipeline(PERSON, mode="append"))
    house.source.breaks.clear()

    assert make_plan(house.pipeline(PERSON, mode="append")).steps[0].action == "resume"
    receipt = house.run(house.pipeline(PERSON, mode="append"))

    assert (receipt.steps[0].resumed, receipt.steps[0].read) == (True, 1)
    assert house.rows("SELECT count(*), count(DISTINCT id) FROM people") == [(5, 5)]


def test_when_every_stream_fails_the_run_failed(house):
    house.source.breaks["people"] = (0, SourceRefused("no."))

    assert house.run(house.pipeline(PERSON)).verdict == "failed"


def test_a_destination_that_is_not_there_gives_one_error_and_a_receipt(house):
    house.destination = SqliteDestination(
        "warehouse", SqliteDestination.Options(path="bief.yaml/shop.db"), Runtime(folder=house.folder)
    )
    (house.folder / "bief.yaml").touch()

    receipt = house.run(house.pipeline(PERSON))

    assert (receipt.verdict, receipt.steps) == ("failed", ())
    assert "cannot be made" in receipt.error
    assert "bug in Bief" not in receipt.error


def test_stopping_ends_after_the_current_batch_and_loses_nothing(house):
    house.events.subscribe(lambda event: house.stop.set() if isinstance(event, BatchCommitted) else None)

    receipt = house.run(house.pipeline(PERSON))

    assert receipt.verdict == "cancelled"
    assert house.rows("SELECT count(*) FROM people") == [(2,)]
    house.stop.clear()
    house.events = Events()
    assert house.run(house.pipeline(PERSON)).verdict == "success"
    assert house.rows("SELECT count(*) FROM people") == [(5,)]


def test_a_second_run_at_once_is_refused_and_leaves_the_first_alone(house):
    Leases(house.store, Owner("another-host", "boot", 7, "1")).acquire("shop", "first")

    with pytest.raises(AlreadyRunning, match="run first"):
        house.run(house.pipeline(PERSON))

    assert house.store.list_runs(5) == []


def test_a_run_that_died_is_recognised(house):
    house.store.begin_run("dead", "shop", SystemClock().now())

    house.run(house.pipeline(PERSON))

    assert [event.crashed_run_id for event in house.heard_of(CrashFound)] == ["dead"]
    assert house.store.find_run("dead").state == "crashed"


def test_bad_rows_go_to_the_quarantine_and_the_rest_is_loaded(house):
    house.source.rows = {"orders": [*ORDERS, {"id": 6, "amount": "six"}, {"id": None, "amount": "7.00"}]}

    receipt = house.run(house.pipeline(ORDER))

    assert (receipt.verdict, receipt.total("loaded"), receipt.total("rejected")) == ("success", 6, 2)
    quarantined = house.rows("SELECT rule, reason FROM _bief_quarantine ORDER BY rule")
    assert [rule for rule, _ in quarantined] == ["primary_key", "type"]
    assert "'six'" in quarantined[1][1]


def test_too_many_bad_rows_stop_the_stream_before_they_are_committed(house):
    house.source.rows = {"orders": [{"id": number, "amount": "bad"} for number in range(40)]}
    house.source.batch_rows = 20

    receipt = house.run(house.pipeline(ORDER))

    assert (receipt.verdict, receipt.total("loaded"), receipt.total("rejected")) == ("failed", 0, 0)
    assert "max_rejected" in receipt.steps[0].error


def test_a_full_refresh_forgets_rows_that_are_gone(house):
    house.run(house.pipeline(PERSON))
    house.source.rows = {"people": PEOPLE[:3]}
    house.run(house.pipeline(PERSON))
    assert house.rows("SELECT count(*) FROM people") == [(5,)]

    receipt = house.run(house.pipeline(PERSON), full_refresh=True)

    assert receipt.verdict == "success"
    assert house.rows("SELECT count(*) FROM people") == [(3,)]


def test_an_error_nobody_foresaw_keeps_its_traceback_for_the_log(house):
    house.source.breaks["people"] = (0, ZeroDivisionError("by zero"))

    receipt = house.run(house.pipeline(PERSON, ORDER))

    assert receipt.verdict == "partial"
    assert "bug in Bief" in receipt.steps[0].error
    finished = next(event for event in house.heard_of(StreamFinished) if event.stream == "people")
    assert "ZeroDivisionError" in finished.trace
    assert "Traceback" not in receipt.steps[0].error


def test_an_error_nobody_foresaw_before_the_first_step_is_in_the_log_too(house, monkeypatch):
    monkeypatch.setattr(house.destination, "prepare", lambda: 1 / 0)

    receipt = house.run(house.pipeline(PERSON))

    assert (receipt.verdict, receipt.steps) == ("failed", ())
    assert "ZeroDivisionError" in house.heard_of(RunFinished)[0].trace


def test_a_secret_in_an_error_reaches_neither_receipt_nor_run_log(house):
    house.redactor.learn("canary-31c7")
    house.source.breaks["people"] = (0, ValueError("cannot use canary-31c7"))

    receipt = house.run(house.pipeline(PERSON))

    ((logged,),) = house.rows("SELECT error_message FROM etl_logs")
    assert "cannot use ***" in logged
    assert "cannot use ***" in receipt.steps[0].error
    assert "canary-31c7" not in str(house.heard)


def test_a_stream_that_is_not_there_is_a_usage_error(house):
    with pytest.raises(ProjectError, match="no stream 'peple'"):
        selected(house.pipeline(PERSON), ["peple"])


def test_a_row_that_moved_between_pages_while_they_were_read_is_there_once(house):
    house.source.rows = {"people": [*PEOPLE, {"id": 0, "name": "ada lovelace"}]}

    receipt = house.run(house.pipeline(PERSON, mode="replace"))

    assert (receipt.verdict, receipt.steps[0].error) == ("success", "")
    assert house.rows("SELECT id, name FROM people ORDER BY id")[:2] == [(0, "ada lovelace"), (1, "bob")]
    assert house.rows("SELECT count(*) FROM people") == [(5,)]
