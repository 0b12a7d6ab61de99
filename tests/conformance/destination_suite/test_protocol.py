"""One commit, exactly once: repeats, older runs, failures at every step, and what a new run finds."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pyarrow as pa
import pytest
from places import Place, load, table, target

from bief.base import failpoints
from bief.batches.batch import Position, RejectedRow
from bief.batches.schema import INTEGER, TEXT
from bief.errors import DestinationRefused, Fenced

SCHEMA = pa.schema([("id", INTEGER), ("name", TEXT)])
IN_A_LOAD = [point for point in failpoints.POINTS if point.startswith("load.") and point != "load.after_commit"]


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm("")


def rows(first: int, last: int, name: str = "x") -> pa.Table:
    return table([{"id": key, "name": name} for key in range(first, last)], SCHEMA)


def contents(place: Place) -> dict[str, list[dict[str, object]]]:
    """Everything that a load may change."""
    own = ["_bief_loads", "_bief_quarantine", "_bief_steps", "_bief_state"]
    known = {name: place.rows(f"SELECT * FROM {place.table(name)}") for name in own}
    if place.first.state("shop", "orders", "orders").table_exists:
        known["orders"] = place.rows(f"SELECT * FROM {place.table('orders')} ORDER BY id")
    return known


@pytest.mark.parametrize("mode", ["append", "replace", "merge", "history"])
def test_the_same_load_twice_lands_once(place: Place, mode: str):
    rejected = [RejectedRow("record 9", "type", "no", "{}")]
    gone = pa.table({"id": pa.array([0], INTEGER)})
    first = load(rows(0, 3), 1, rejected=rejected, deleted=gone)
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        done = loader.commit(first)
        before = contents(place)
        assert loader.commit(first) == replace(done, landed_before=True)
        assert contents(place) == before
        last = load(rows(3, 5), 2, changes=[], complete=True)
        done = loader.commit(last)
        assert loader.commit(last) == replace(done, landed_before=True)
        assert loader.position == Position({"step": 2}, complete=True)
    assert place.count("orders") == 5 - (mode in ("merge", "replace"))


def test_an_older_run_is_fenced(place: Place):
    old = place.open().loader(target(run_id="old"))
    old.commit(load(rows(0, 1), 1))
    new = place.open().loader(target(run_id="new"))
    before = contents(place)
    with pytest.raises(Fenced, match="another run has taken over"):
        old.commit(load(rows(1, 2), 2, changes=[]))
    assert contents(place) == before
    assert new.position == Position({"step": 1}, complete=False)
    new.commit(load(rows(5, 6), 2, changes=[]))
    with pytest.raises(Fenced):
        old.commit(load(rows(1, 2), 2, changes=[]))
    old.fail("too late")
    assert [row["id"] for row in place.all("orders")] == [0, 5]
    old.close()
    new.close()


def test_a_position_changed_by_hand_is_not_overwritten(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 1), 1))
        place.by_hand(f"UPDATE {place.table('_bief_state')} SET version = version + 1")
        with pytest.raises(Fenced):
            loader.commit(load(rows(1, 2), 2, changes=[]))
    assert place.count("orders") == 1


@pytest.mark.parametrize("point", IN_A_LOAD)
def test_a_failure_at_any_step_of_the_first_load_leaves_nothing(place: Place, point: str):
    first = load(rows(0, 2), 1, rejected=[RejectedRow("r", "type", "no", "{}")], complete=True)
    with contextlib.closing(place.first.loader(target())) as loader:
        before = contents(place)
        failpoints.arm(f"{point}=raise")
        with pytest.raises(failpoints.Injected):
            loader.commit(first)
        assert contents(place) == before
        assert loader.commit(first).landed_before is False
    assert place.count("_bief_steps") == 1


@pytest.mark.parametrize("point", IN_A_LOAD)
def test_a_failure_at_any_step_leaves_nothing(place: Place, point: str):
    second = load(rows(1, 4), 2, changes=[], rejected=[RejectedRow("r", "type", "no", "{}")], complete=True)
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 2), 1))
        before = contents(place)
        failpoints.arm(f"{point}=raise")
        with pytest.raises(failpoints.Injected):
            loader.commit(second)
        assert contents(place) == before
        assert loader.position == Position({"step": 1}, complete=False)
        done = loader.commit(second)
        assert (done.loaded, done.landed_before) == (3, False)
    assert [row["id"] for row in place.all("orders")] == [0, 1, 2, 3]
    assert place.count("_bief_quarantine") == 1


def test_a_failure_after_the_commit_is_settled_by_the_ledger(place: Place):
    first = load(rows(0, 2), 1)
    with contextlib.closing(place.first.loader(target())) as loader:
        failpoints.arm("load.after_commit=raise")
        with pytest.raises(failpoints.Injected):
            loader.commit(first)
        assert loader.commit(first).landed_before is True
        assert loader.commit(load(rows(2, 3), 2, changes=[], complete=True)).loaded == 1
    assert place.count("orders") == 3


def test_a_new_run_goes_on_where_the_last_one_was_cut_off(place: Place):
    with contextlib.closing(place.open().loader(target())) as loader:
        assert (loader.position, loader.resumed, loader.schema) == (None, False, None)
        loader.commit(load(rows(0, 2), 1))
    with contextlib.closing(place.open().loader(target(run_id="run-2"))) as loader:
        assert (loader.position, loader.resumed) == (Position({"step": 1}, complete=False), True)
        assert loader.schema == SCHEMA
        loader.commit(load(rows(2, 3), 2, changes=[], complete=True))
    with contextlib.closing(place.open().loader(target(run_id="run-3"))) as loader:
        assert (loader.position, loader.resumed) == (Position({"step": 2}, complete=True), False)


def test_positions_come_back_as_they_were(place: Place):
    value = {"cursor": "Zoë'\"\\ 🦆", "n": 2**70, "list": [1.5, None, True], "object": {"b": 1, "a": 2}}
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(replace(load(rows(0, 1), 1), position=Position(value, complete=False)))
    with contextlib.closing(place.first.loader(target())) as loader:
        assert loader.position == Position(value, complete=False)


def test_streams_load_at_the_same_time(place: Place):
    streams = [f"s{number}" for number in range(6)]
    failed: list[Exception] = []

    def work(stream: str) -> None:
        try:
            with contextlib.closing(place.first.loader(target(stream=stream, table=stream))) as loader:
                for step in range(5):
                    end = step == 4
                    loader.commit(load(rows(step * 10, step * 10 + 10), step, complete=end))
        except Exception as error:  # noqa: BLE001 - a thread's error is shown by the assert
            failed.append(error)

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [place.count(stream) for stream in streams] == [50] * 6
    assert place.count("_bief_loads") == 30


def test_prepare_by_several_at_once(bare_place: Place):
    failed: list[Exception] = []

    def work() -> None:
        try:
            bare_place.open().prepare()
        except Exception as error:  # noqa: BLE001 - a thread's error is shown by the assert
            failed.append(error)

    if bare_place.kind == "duckdb":
        assert bare_place.open() is not None  # one connection per process: the threads share the file
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    bare_place.first.prepare()
    assert bare_place.count("_bief_loads") == 0


def test_state_before_prepare_changes_nothing(bare_place: Place):
    state = bare_place.first.state("shop", "orders", "orders")
    assert (state.position, state.table_exists, state.rows, state.last_success) == (None, False, None, None)
    if bare_place.kind == "postgres":
        assert bare_place.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'pennylane'") == []
    else:
        assert list(bare_place.folder.iterdir()) == []


def test_check_changes_nothing(bare_place: Place):
    bare_place.first.check()
    assert bare_place.first.state("shop", "orders", "orders").table_exists is False
    if bare_place.kind != "postgres":
        assert list(bare_place.folder.iterdir()) == []
    bare_place.first.prepare()
    bare_place.first.check()
    with pytest.raises(DestinationRefused):
        bare_place.rows(f"SELECT * FROM {bare_place.table('_bief_trial')}")


def test_close_can_be_called_twice_and_takes_back_what_is_open(place: Place):
    loader = place.first.loader(target())
    loader.close()
    loader.close()
    place.first.close()
    place.first.close()
    assert place.count("_bief_loads") == 0
