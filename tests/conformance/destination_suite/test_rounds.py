"""Replace mode and rebuilds: the new rows take the place of the old ones at once, and everything else stays."""

from __future__ import annotations

import contextlib
import threading

import pyarrow as pa
import pytest
from places import Place, load, stored, table, target

from bief.base import failpoints
from bief.batches.batch import Position
from bief.batches.schema import INTEGER, TEXT, type_named
from bief.errors import DestinationRefused

SCHEMA = pa.schema([("id", INTEGER), ("name", TEXT)])
SEEN = pa.schema([("id", INTEGER), ("seen", INTEGER)])


def rows(first: int, last: int, name: str = "x") -> pa.Table:
    return table([{"id": key, "name": name} for key in range(first, last)], SCHEMA)


def run(place: Place, *loads, mode: str = "replace", rebuild: bool = False, **words):
    """One run: take over, commit, close."""
    with contextlib.closing(place.open().loader(target(mode, **words), rebuild=rebuild)) as loader:
        for each in loads:
            loader.commit(each)
        return loader.position, loader.resumed


def names(place: Place) -> list[tuple[int, str]]:
    return [(row["id"], row["name"]) for row in place.all("orders")]


def test_replace_shows_the_new_rows_only_when_the_round_is_complete(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True))
    with contextlib.closing(place.first.loader(target("replace"))) as loader:
        assert loader.position is None
        assert loader.resumed is False
        loader.commit(load(rows(0, 2, "new"), 1, changes=[]))
        assert names(place) == [(0, "old"), (1, "old"), (2, "old")]
        loader.commit(load(rows(2, 5, "new"), 2, changes=[], complete=True))
    assert names(place) == [(key, "new") for key in range(5)]
    assert place.first.state("shop", "orders", "orders").rows == 5


def test_a_round_that_was_cut_off_goes_on(place: Place):
    run(place, load(rows(0, 2, "old"), 1, complete=True))
    run(place, load(rows(0, 2, "new"), 7, changes=[]))
    with contextlib.closing(place.open().loader(target("replace", run_id="run-2"))) as loader:
        assert loader.position == Position({"step": 7}, complete=False)
        assert loader.resumed is True
        loader.commit(load(rows(2, 3, "new"), 8, changes=[], complete=True))
    assert names(place) == [(0, "new"), (1, "new"), (2, "new")]


@pytest.mark.parametrize("mode", ["replace", "merge", "append"])
def test_views_survive_a_new_round(place: Place, mode: str):
    words = {} if mode == "merge" else {"primary_key": ()}
    run(place, load(rows(0, 3, "old"), 1, complete=True), mode=mode, **words)
    place.by_hand(f"CREATE VIEW {place.table('powerbi')} AS SELECT id, name FROM {place.table('orders')} WHERE id > 0")
    for step in (1, 2):
        name = f"round {step}"
        run(
            place, load(rows(0, 1, name), 1), load(rows(1, 2, name), 2, changes=[], complete=True),
            mode=mode, rebuild=True, **words,
        )  # fmt: skip
        assert place.rows(f"SELECT name FROM {place.table('powerbi')}") == [{"name": name}]
        assert names(place) == [(0, name), (1, name)]


def test_a_rebuild_changes_types_and_keeps_columns_that_are_gone(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True), mode="merge")
    money = type_named("decimal(10,2)")
    schema = pa.schema([("id", money), ("note", TEXT)])
    with contextlib.closing(place.first.loader(target("merge"), rebuild=True)) as loader:
        assert loader.position is None
        assert loader.schema is None
        loader.commit(load(table([{"id": 1, "note": "n"}], schema), 1, complete=True))
        assert loader.schema.field("id").type == money
    assert [(stored(row["id"], money), row["name"], row["note"]) for row in place.all("orders")] == [(1, None, "n")]
    run(place, load(table([{"id": 1, "note": "again"}], schema), 2, changes=[], complete=True), mode="merge")
    assert [row["note"] for row in place.all("orders")] == ["again"]


def test_a_rebuild_that_was_cut_off_goes_on_without_being_asked(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True), mode="merge")
    run(place, load(rows(0, 1, "new"), 4), mode="merge", rebuild=True)
    for rebuild in (True, False):
        position, resumed = run(place, mode="merge", rebuild=rebuild)
        assert (position, resumed) == (Position({"step": 4}, complete=False), True)
    run(place, load(rows(0, 2, "newer"), 5, changes=[], complete=True), mode="merge")
    assert names(place) == [(0, "newer"), (1, "newer")]
    position, resumed = run(place, load(rows(5, 6, "on"), 6, changes=[], complete=True), mode="merge")
    assert resumed is False
    assert names(place) == [(0, "newer"), (1, "newer"), (5, "on")]


def test_a_full_refresh_starts_a_half_done_replace_anew(place: Place):
    run(place, load(rows(0, 3, "half"), 1))
    assert run(place, rebuild=True) == (None, False)
    run(place, load(rows(0, 1, "whole"), 1, complete=True))
    assert names(place) == [(0, "whole")]


def test_a_mode_that_needs_a_key_gets_it_by_a_rebuild(place: Place):
    run(place, load(rows(0, 2, "a"), 1, complete=True), mode="replace")
    run(place, load(rows(0, 2, "b"), 1, complete=True), mode="merge", rebuild=True)
    run(place, load(rows(1, 3, "c"), 2, changes=[], complete=True), mode="merge")
    assert names(place) == [(0, "b"), (1, "c"), (2, "c")]


def test_an_empty_round_does_not_empty_a_full_table(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True))
    with pytest.raises(DestinationRefused, match="allow_empty"):
        run(place, load(rows(0, 0), 1, changes=[], complete=True))
    assert place.count("orders") == 3
    run(place, load(rows(0, 0), 1, changes=[], complete=True), allow_empty=True)
    assert place.count("orders") == 0


def test_an_empty_first_round_makes_no_table(place: Place):
    empty = load(pa.table({}), 1, complete=True)
    for mode in ("replace", "merge", "append", "history"):
        run(place, empty if mode == "replace" else load(pa.table({}), 1, complete=True), mode=mode, stream=mode)
        state = place.first.state("shop", mode, "orders")
        assert (state.table_exists, state.rows) == (False, 0)
        assert state.last_success is not None


def test_a_foreign_table_in_the_place_of_the_staging_table_is_kept(place: Place):
    place.by_hand(f"CREATE TABLE {place.table('orders__new')} (mine integer)")
    with pytest.raises(DestinationRefused, match="orders__new"):
        run(place, load(rows(0, 1), 1))
    assert place.count("orders__new") == 0


def test_a_lost_staging_table_starts_the_round_anew(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True))
    run(place, load(rows(0, 2, "half"), 1, changes=[]))
    place.by_hand(f"DROP TABLE {place.table('orders__new')}")
    assert run(place) == (None, False)
    run(place, load(rows(0, 1, "new"), 1, changes=[], complete=True))
    assert names(place) == [(0, "new")]


def test_a_table_dropped_by_hand_is_read_again(place: Place):
    run(place, load(rows(0, 3), 1, complete=True), mode="merge")
    place.by_hand(f"DROP TABLE {place.table('orders')}")
    assert run(place, load(rows(0, 3), 1, complete=True), mode="merge")[0] == Position({"step": 1}, complete=True)
    assert place.count("orders") == 3


def test_readers_see_the_old_rows_or_the_new_ones(place: Place):
    if not place.first.capabilities.concurrent_readers:
        pytest.skip("other processes cannot read while a run writes")
    run(place, load(rows(0, 300, "0"), 1, complete=True))
    reader, seen, stop = place.open(), set(), threading.Event()
    errors: list[Exception] = []

    def poll() -> None:
        while not stop.is_set():
            try:
                found = reader.query(
                    f"SELECT count(*) AS n, min(name) AS a, max(name) AS b FROM {place.table('orders')}"
                )
                seen.add(tuple(found.to_pylist()[0].values()))
            except Exception as error:  # noqa: BLE001 - a thread's error is shown by the assert
                errors.append(error)

    watcher = threading.Thread(target=poll)
    watcher.start()
    for number in range(1, 6):
        name = str(number)
        run(place, load(rows(0, 150, name), 1, changes=[]), load(rows(150, 300, name), 2, changes=[], complete=True))
    stop.set()
    watcher.join()
    assert errors == []
    assert seen <= {(300, str(number), str(number)) for number in range(6)}
    assert len(seen) > 1, "the reader must have seen a change, or it proves nothing"


def test_a_publish_that_fails_leaves_the_old_rows(place: Place):
    run(place, load(rows(0, 3, "old"), 1, complete=True))
    failpoints.arm("load.after_publish=raise")
    with pytest.raises(failpoints.Injected):
        run(place, load(rows(0, 1, "new"), 1, changes=[], complete=True))
    assert names(place) == [(0, "old"), (1, "old"), (2, "old")]
    run(place, load(rows(0, 1, "new"), 1, changes=[], complete=True))
    assert names(place) == [(0, "new")]


def test_in_replace_mode_a_key_that_came_again_in_a_later_load_is_there_once(place: Place):
    """Pages move while they are read: the same row can come at the end of one load and at the start of the next."""
    loader = place.first.loader(target("replace"))
    loader.commit(load(table([{"id": 1, "name": "old"}, {"id": 2, "name": "b"}], SCHEMA), 1))
    loader.commit(load(table([{"id": 1, "name": "new"}, {"id": 3, "name": "c"}], SCHEMA), 2, changes=[], complete=True))
    loader.close()

    assert [(row["id"], row["name"]) for row in place.all("orders")] == [(1, "new"), (2, "b"), (3, "c")]


@pytest.mark.parametrize("mode", ["merge", "append", "history"])
def test_the_cursor_column_has_an_index(place: Place, mode: str):
    if place.kind == "duckdb":
        pytest.skip("DuckDB keeps the least and greatest value of each block, and needs no index for that")
    loader = place.first.loader(target(mode, version_column="seen"))
    loader.commit(load(table([{"id": 1, "seen": 5}], SEEN), 1, complete=True))
    loader.close()

    catalog = {
        "postgres": "SELECT indexdef AS text FROM pg_indexes WHERE tablename = 'orders'",
        "sqlite": "SELECT sql AS text FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'orders'",
    }
    assert any('("seen")' in row["text"] or "(seen)" in row["text"] for row in place.rows(catalog[place.kind]))
