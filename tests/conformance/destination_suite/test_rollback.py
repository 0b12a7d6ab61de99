"""A run that is taken back: the stream stands where it stood before, and the next run brings the same rows again."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from places import Place, load, stored, table, target

from bief.batches.batch import Position, RejectedRow
from bief.batches.schema import INTEGER, TEXT, TIMESTAMP
from bief.errors import DestinationRefused, Fenced
from bief.ports.records import QuarantineFilter, TakenBack

SCHEMA = pa.schema([("id", INTEGER), ("name", TEXT), ("at", TIMESTAMP)])
KEYED = {"version_column": "at"}


def row(key: int, day: int, name: str = "") -> dict[str, Any]:
    return {"id": key, "name": name or f"{key} of day {day}", "at": datetime(2026, 1, day, tzinfo=UTC)}


def run(place: Place, mode: str, run_id: str, *days: list[dict[str, Any]], complete: bool = True, **more: Any) -> None:
    """A run with one load for each list of rows, and one rejected row in each."""
    wanted = target(mode, run_id=run_id, **KEYED)
    with contextlib.closing(place.first.loader(wanted, rebuild=more.pop("rebuild", False))) as loader:
        for number, rows in enumerate(days, start=1):
            last = complete and number == len(days)
            rejected = [RejectedRow(f"{run_id}, load {number}", "type", "no", "{}")]
            changes = None if loader.schema is None else []
            step = int(rows[0]["at"].day) * 10 + number
            batch = load(table(rows, SCHEMA), step, complete=last, changes=changes, rejected=rejected, **more)
            loader.commit(batch)


def take_back(place: Place, mode: str, run_id: str) -> TakenBack:
    wanted = target(mode, run_id="rollback", **KEYED)
    with contextlib.closing(place.first.loader(wanted, as_it_stands=True)) as loader:
        return loader.take_back(run_id)


def everything(place: Place) -> dict[str, Any]:
    """What a reader, a plan and a monitor see of the stream."""
    state = place.first.state("shop", "orders", "orders")
    order = (
        "id, name"
        if "valid_from" not in place.rows(f"SELECT * FROM {place.table('orders')} LIMIT 1")[0]
        else ("id, valid_from")
    )
    return {
        "rows": place.all("orders", order),
        "position": state.position,
        "counted": state.rows,
        "rejected": [row.rejected for row in place.first.rejected_rows(QuarantineFilter(), limit=99)],
    }


FIRST = ([row(1, 1), row(2, 1)], [row(3, 1), row(4, 1)])
SECOND = ([row(1, 2), row(5, 2)], [row(1, 3), row(2, 3)])


@pytest.mark.parametrize("mode", ["append", "history"])
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "cut off"])
def test_what_the_newest_run_loaded_is_gone(place: Place, mode: str, complete: bool):
    run(place, mode, "run-1", *FIRST)
    before, success = everything(place), place.first.state("shop", "orders", "orders").last_success
    run(place, mode, "run-2", *SECOND, complete=complete)
    assert everything(place) != before

    assert take_back(place, mode, "run-2") == TakenBack(rows=4, rejected=2)

    assert everything(place) == before
    assert place.first.state("shop", "orders", "orders").last_success == success
    newest, older = place.first.stream_runs("shop", "orders")
    assert (newest.run_id, newest.rolled_back, older.rolled_back) == ("run-2", True, False)
    logs = place.rows(f"SELECT run_id, status, error_message FROM {place.table('_bief_steps')} ORDER BY step_id")
    assert [log["status"] for log in logs] == ["success", "rolled back"]
    assert "rollback" in logs[1]["error_message"]
    shown = place.rows(f"SELECT status FROM {place.table('etl_logs')} ORDER BY id")
    assert [log["status"] for log in shown] == ["success", "failed"]


@pytest.mark.parametrize("mode", ["append", "history"])
def test_the_next_run_makes_it_as_if_nothing_had_been_taken_back(place: Place, mode: str):
    run(place, mode, "run-1", *FIRST)
    run(place, mode, "run-2", *SECOND)
    wanted = everything(place)
    take_back(place, mode, "run-2")

    run(place, mode, "run-3", *SECOND)

    found = everything(place)
    origins = [row.origin.replace("run-3", "run-2") for row in found.pop("rejected")]
    assert origins == [row.origin for row in wanted.pop("rejected")]
    assert found == wanted


@pytest.mark.parametrize("mode", ["append", "history"])
def test_runs_can_be_taken_back_one_after_the_other_to_the_very_first(place: Place, mode: str):
    run(place, mode, "run-1", *FIRST)
    run(place, mode, "run-2", *SECOND)
    with pytest.raises(DestinationRefused, match="the newest is run-2"):
        take_back(place, mode, "run-1")
    take_back(place, mode, "run-2")
    take_back(place, mode, "run-1")

    assert place.count("orders") == 0
    state = place.first.state("shop", "orders", "orders")
    assert (state.position, state.rows, state.last_success) == (None, 0, None)
    assert place.first.rejected_rows(QuarantineFilter(), limit=9) == []


def test_taking_back_twice_is_taking_back_once(place: Place):
    run(place, "append", "run-1", *FIRST)
    run(place, "append", "run-2", *SECOND)
    first = take_back(place, "append", "run-2")
    before = everything(place)
    assert take_back(place, "append", "run-2") == first
    assert everything(place) == before
    with pytest.raises(DestinationRefused, match="no-such-run is not the newest"):
        take_back(place, "append", "no-such-run")


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_modes_that_overwrite_cannot_be_taken_back(place: Place, mode: str):
    run(place, mode, "run-1", *FIRST)
    before = everything(place)
    with pytest.raises(DestinationRefused, match=f"in mode {mode}.*are gone.*backup"):
        take_back(place, mode, "run-1")
    assert everything(place) == before


def test_a_rebuild_cannot_be_taken_back(place: Place):
    run(place, "append", "run-1", *FIRST)
    run(place, "append", "run-2", *SECOND, rebuild=True)
    before = everything(place)
    with pytest.raises(DestinationRefused, match="--full-refresh"):
        take_back(place, "append", "run-2")
    assert everything(place) == before


def test_history_with_deletes_of_the_source_cannot_be_taken_back(place: Place):
    run(place, "history", "run-1", *FIRST)
    run(place, "history", "run-2", *SECOND, deleted=pa.table({"id": pa.array([3], INTEGER)}))
    before = everything(place)
    with pytest.raises(DestinationRefused, match="deleted"):
        take_back(place, "history", "run-2")
    assert everything(place) == before


def test_a_version_that_an_earlier_run_closed_stays_closed(place: Place):
    run(place, "history", "run-1", [row(1, 1), row(2, 1)])
    run(place, "history", "run-2", [row(7, 2)], deleted=pa.table({"id": pa.array([1], INTEGER)}))
    before = everything(place)
    # The source has the row again.
    late = [{**row(1, 3), "at": datetime(2039, 1, 1, tzinfo=UTC)}]
    run(place, "history", "run-3", late)
    take_back(place, "history", "run-3")
    assert everything(place) == before
    assert [bool(each["is_current"]) for each in place.all("orders", "id") if each["id"] == 1] == [False]


def test_of_several_versions_of_one_moment_the_last_is_current_again(place: Place):
    run(place, "history", "run-1", [row(1, 1, "a")], [row(1, 2, "b")], [row(1, 2, "c")])
    before = everything(place)
    assert len(before["rows"]) == 3
    run(place, "history", "run-2", [row(1, 2, "d")], [row(1, 3, "e")])
    take_back(place, "history", "run-2")
    assert everything(place) == before


def test_without_a_version_column_history_is_taken_back_by_the_time_of_loads(place: Place):
    def bring(run_id: str, name: str, step: int) -> None:
        with contextlib.closing(place.first.loader(target("history", run_id=run_id))) as loader:
            loader.commit(load(table([row(1, 1, name)], SCHEMA), step, complete=True,
                               changes=None if loader.schema is None else []))  # fmt: skip

    for number, name in enumerate("abc"):
        bring(f"run-{number}", name, number)
    with contextlib.closing(place.first.loader(target("history", run_id="rollback"), as_it_stands=True)) as loader:
        loader.take_back("run-2")
    found = place.all("orders", "valid_from")
    assert [(each["name"], bool(each["is_current"]), each["valid_to"] is None) for each in found] == [
        ("a", False, False),
        ("b", True, True),
    ]


def test_a_table_changed_by_hand_is_left_alone(place: Place):
    run(place, "append", "run-1", *FIRST)
    run(place, "append", "run-2", *SECOND)
    place.by_hand(f"DELETE FROM {place.table('orders')} WHERE id = 5")
    before = everything(place)
    with pytest.raises(DestinationRefused, match="loaded 4 rows into orders, and 3 of them are there"):
        take_back(place, "append", "run-2")
    assert everything(place) == before


def test_the_position_is_that_before_the_run_also_after_a_table_was_dropped(place: Place):
    run(place, "append", "run-1", *FIRST)
    place.by_hand(f"DROP TABLE {place.table('orders')}")
    run(place, "append", "run-2", *FIRST, *SECOND)
    take_back(place, "append", "run-2")
    assert place.count("orders") == 0
    assert place.first.state("shop", "orders", "orders").position is None, "all rows are needed again"


def test_a_replay_cannot_be_taken_back(place: Place):
    run(place, "append", "run-1", *FIRST)
    ids = [each.id for each in place.first.rejected_rows(QuarantineFilter(), limit=9)]
    with contextlib.closing(
        place.first.loader(target("append", run_id="replay", **KEYED), as_it_stands=True)
    ) as loader:
        loader.begin("replay")
        part = load(table([row(9, 9)], SCHEMA), 0, changes=[], batch_id="replay", released=ids[:1])
        loader.write(part)
        loader.end(None)
    with pytest.raises(DestinationRefused, match="back from the quarantine"):
        take_back(place, "append", "replay")
    with pytest.raises(DestinationRefused, match="the newest is replay"):
        take_back(place, "append", "run-1")


def test_a_rollback_fences_a_run_and_is_fenced_by_one(place: Place):
    run(place, "append", "run-1", *FIRST)
    sleeper = place.first.loader(target("append", run_id="run-2", **KEYED))
    rollback = place.first.loader(target("append", run_id="rollback", **KEYED), as_it_stands=True)
    place.first.loader(target("append", run_id="run-3", **KEYED)).close()
    with pytest.raises(Fenced):
        rollback.take_back("run-1")
    rollback.close()
    take_back(place, "append", "run-1")
    with pytest.raises(Fenced):
        sleeper.commit(load(table([row(9, 9)], SCHEMA), 90, changes=[]))
    sleeper.close()


def test_the_first_run_again_after_a_rollback_loads_everything(place: Place):
    run(place, "append", "run-1", *FIRST)
    wanted = everything(place)
    take_back(place, "append", "run-1")
    with contextlib.closing(place.first.loader(target("append", run_id="run-2", **KEYED))) as loader:
        assert loader.position is None
    run(place, "append", "run-1b", *FIRST)
    found = everything(place)
    assert (found["rows"], found["position"], found["counted"]) == (
        wanted["rows"], Position({"step": 12}, complete=True), 4,
    )  # fmt: skip
    moments = {stored(each["at"], TIMESTAMP) for each in found["rows"]}
    assert moments == {datetime(2026, 1, 1, tzinfo=UTC)}
