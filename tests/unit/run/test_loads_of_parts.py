"""The road with batches that are no place to stop: one commit for all of them, and what happens when that fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest
from pydantic import BaseModel

from bief.base.clock import SystemClock
from bief.base.events import BatchCommitted, CommitSettled
from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance
from bief.destinations.sqlite import SqliteDestination
from bief.errors import CommitInDoubt, DestinationUnavailable, SourceChanged, SourceMisread, TooManyRejected
from bief.guard.budget import Budget
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.run.ingest import Ingest, Surroundings
from bief.run.plan import Pipeline, StreamLoad, make_plan
from bief.sql.loading import SqlLoader

ORDERS = Stream("orders", primary_key=("id",))
FILES = {"a.csv": range(5), "b.csv": range(5, 12), "c.csv": range(12, 14)}


class Files:
    """Files of numbers, two rows to a batch; a position only at the end of a file. `breaks`: (file, row) → error,
    raised once when that row is to be given."""

    kind = "files"
    Options = BaseModel

    def __init__(self, breaks=None) -> None:
        self.breaks = dict(breaks or {})
        self.reads: list[Position | None] = []

    def streams(self) -> Sequence[Stream]:
        return [ORDERS]

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        self.reads.append(since)
        done = [] if since is None or since.complete else list(since.value["files"])
        for name, numbers in FILES.items():
            if name in done:
                continue
            for start in range(0, len(numbers), 2):
                part = list(numbers[start : start + 2])
                for number in part:
                    if error := self.breaks.pop((name, number), None):
                        raise error
                yield _batch(part)
            done.append(name)
            yield _batch([], Position({"files": list(done)}, complete=name == "c.csv"))


def _batch(numbers, position=None) -> Batch:
    rows = pa.table({"id": pa.array(numbers, pa.int64()), ROW_NUMBER: pa.array(range(len(numbers)), pa.int64())})
    return Batch(rows, position, provenance=Provenance(origin=lambda row: f"number {numbers[row]}"))


class Road:
    def __init__(self, folder, source) -> None:
        self.folder, self.source, self.runs = folder, source, 0
        self.heard: list[object] = []
        self.stop = threading.Event()
        runtime = Runtime(folder=folder)
        self.destination = SqliteDestination("w", SqliteDestination.Options(path="shop.db"), runtime)
        self.destination.prepare()

    def run(self, mode="append", max_rejected: str | int = "1%"):
        step_load = StreamLoad(ORDERS, "orders", mode, Budget.parse(max_rejected))
        plan = make_plan(Pipeline("shop", "files", self.source, "w", self.destination, (step_load,), 1))
        self.runs += 1
        around = Surroundings(
            f"run-{self.runs}", "shop", "files", self.heard.append, self.stop, SystemClock(), clean=lambda text: text
        )
        self.ingest = Ingest(plan.steps[0], self.source, self.destination, around)
        return self.ingest.load()

    def ids(self) -> list[int]:
        connection = sqlite3.connect(self.folder / "shop.db")
        try:
            return [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")]
        finally:
            connection.close()

    def commits(self) -> list[tuple[int, int]]:
        return [(event.read, event.loaded) for event in self.heard if isinstance(event, BatchCommitted)]


@pytest.fixture
def road(tmp_path):
    made: list[Road] = []

    def make(source) -> Road:
        made.append(Road(tmp_path, source))
        return made[-1]

    yield make
    for each in made:
        each.destination.close()


def failing(monkeypatch, method: str, at: int, error: Exception, *, after: bool = False) -> None:
    """The n-th call of a loader's method fails once, before or after it did its work."""
    real, calls = getattr(SqlLoader, method), [0]

    def called(self, *args):
        calls[0] += 1
        if calls[0] != at:
            return real(self, *args)
        if after:
            real(self, *args)
        else:
            self.rollback()
        raise error

    monkeypatch.setattr(SqlLoader, method, called)


def test_a_file_is_one_commit(road):
    made = road(Files())
    receipt = made.run()
    assert made.commits() == [(5, 5), (7, 7), (2, 2)]
    assert (receipt.status, receipt.read, receipt.loaded, receipt.batches) == ("success", 14, 14, 3)
    assert made.ids() == list(range(14))


def test_a_source_that_changed_is_read_again_from_the_last_commit(road):
    made = road(Files({("b.csv", 9): SourceChanged("a column is text after all")}))
    receipt = made.run()
    assert (receipt.status, receipt.loaded, made.ids()) == ("success", 14, list(range(14)))
    assert made.source.reads == [None, Position({"files": ["a.csv"]}, complete=False)]


def test_a_source_that_never_stops_changing_is_an_error(road):
    class Restless(Files):
        def read(self, stream, since):
            self.reads.append(since)
            yield _batch([1])
            raise SourceChanged("again")

    made = road(Restless())
    with pytest.raises(SourceChanged):
        made.run()
    assert len(made.source.reads) == 11


def test_a_broken_file_leaves_nothing_of_it(road):
    made = road(Files({("b.csv", 11): SourceMisread("torn")}))
    with pytest.raises(SourceMisread):
        made.run()
    assert made.ids() == list(range(5))
    assert made.ingest.receipt("failed").loaded == 5
    made.source.breaks = {}
    assert made.run().loaded == 9
    assert made.ids() == list(range(14))


@pytest.mark.parametrize("method", ["write", "end"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("error", [DestinationUnavailable, CommitInDoubt])
def test_a_lost_connection_loses_and_doubles_nothing(road, monkeypatch, method: str, at: int, error):
    made = road(Files())
    failing(monkeypatch, method, at, error("the line is cut"))
    receipt = made.run()
    assert (receipt.status, receipt.read, receipt.loaded) == ("success", 14, 14)
    assert made.ids() == list(range(14))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_commit_whose_answer_was_lost_counts_once(road, monkeypatch, at: int):
    made = road(Files())
    failing(monkeypatch, "end", at, CommitInDoubt("no answer"), after=True)
    receipt = made.run()
    assert (receipt.loaded, made.ids(), made.commits()) == (14, list(range(14)), [(5, 5), (7, 7), (2, 2)])
    assert [event.landed for event in made.heard if isinstance(event, CommitSettled)] == [True]
    assert made.source.reads == [None]


def test_the_budget_counts_the_parts_of_a_load_that_was_begun_anew_once(road, monkeypatch):
    class Half(Files):
        def read(self, stream, since):
            for batch in super().read(stream, since):
                ids = batch.rows.column("id").to_pylist()
                rows = batch.rows.set_column(0, "id", pa.array([None if n == 6 else n for n in ids], pa.int64()))
                yield Batch(rows, batch.position, provenance=batch.provenance)

    made = road(Half())
    failing(monkeypatch, "write", 7, DestinationUnavailable("the line is cut"))
    receipt = made.run("merge", max_rejected=1)
    assert (receipt.rejected, receipt.loaded) == (1, 13)
    with pytest.raises(TooManyRejected):
        made.run("merge", max_rejected=0)


def test_a_stop_in_the_middle_of_a_file_leaves_nothing_of_it(road, monkeypatch):
    made, real, calls = road(Files()), SqlLoader.write, []

    def write(self, load):
        calls.append(load)
        if len(calls) == 6:
            made.stop.set()
        return real(self, load)

    monkeypatch.setattr(SqlLoader, "write", write)
    assert made.run().status == "cancelled"
    assert (len(calls), made.ids()) == (6, list(range(5)))
