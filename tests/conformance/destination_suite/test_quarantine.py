"""The quarantine: ids that can be typed, what can be asked of it, and rows that leave it with a load."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from places import Place, load, table, target

from bief.batches.batch import RejectedRow
from bief.batches.schema import INTEGER
from bief.errors import DestinationRefused, Fenced, RowsUnaccounted
from bief.ports.records import QuarantineCount, QuarantineFilter

SCHEMA = pa.schema([("id", INTEGER)])
ALL = QuarantineFilter()


def rows(*ids: int) -> pa.Table:
    return table([{"id": key} for key in ids], SCHEMA)


def bad(origin: str, rule: str = "type", raw: str = "{}") -> RejectedRow:
    return RejectedRow(origin=origin, rule=rule, reason=f"{origin} is no good", raw=raw, column="amount")


def filled(place: Place, *, complete: bool = True, **changes: object) -> None:
    """One run: a load with two rejected rows in two parts, and one with one."""
    wanted = target(**changes)
    batch_id = f"{wanted.run_id}/one"
    with contextlib.closing(place.first.loader(wanted)) as loader:
        first = load(rows(1), 1, rejected=[bad("a")], batch_id=batch_id)
        worse = bad("b", "primary_key", '{"id": null}')
        loader.begin(batch_id)
        loader.write(first)
        loader.write(load(rows(2), 1, changes=[], rejected=[worse], batch_id=batch_id))
        loader.end(first.position)
        loader.commit(load(rows(3), 2, changes=[], rejected=[bad("c")], complete=complete))


def kept(place: Place, which: QuarantineFilter = ALL) -> list[str]:
    return [row.id for row in place.first.rejected_rows(which, limit=100)]


def test_ids_go_on_over_the_parts_of_a_load(place: Place):
    filled(place)
    first = place.rows(f"SELECT min(load_id) AS n FROM {place.table('_bief_loads')}")[0]["n"]
    assert kept(place) == [f"{first}-1", f"{first}-2", f"{first + 1}-1"]


def test_a_load_that_was_taken_back_leaves_no_hole_and_no_twin(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.begin("one")
        loader.write(load(rows(1), 1, rejected=[bad("a"), bad("b")], batch_id="one"))
        loader.rollback()
        committed = loader.commit(load(rows(1), 1, rejected=[bad("a")], batch_id="one"))
    assert kept(place) == [f"{committed.load_id}-1"]


def test_a_quarantined_row_tells_all_of_itself(place: Place):
    filled(place)
    row = place.first.rejected_rows(ALL, limit=2)[1]
    assert (row.run_id, row.pipeline, row.stream, row.table) == ("run-1", "shop", "orders", "orders")
    assert row.rejected == bad("b", "primary_key", '{"id": null}')
    assert row.id == f"{row.load_id}-2"
    assert abs(row.rejected_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_quarantine_can_be_asked_for_some_of_its_rows(place: Place):
    filled(place)
    filled(place, stream="lines", table="lines", run_id="run-2")
    ids = kept(place)
    assert len(ids) == 6
    assert kept(place, QuarantineFilter(stream="orders")) == ids[:3]
    assert kept(place, QuarantineFilter(run_id="run-2")) == ids[3:]
    assert kept(place, QuarantineFilter(pipeline="shop", rule="primary_key")) == [ids[1], ids[4]]
    assert kept(place, QuarantineFilter(pipeline="other")) == []
    assert kept(place, QuarantineFilter(ids=(ids[4], ids[0], "99-1"))) == [ids[0], ids[4]]
    assert kept(place, QuarantineFilter(ids=(ids[4], ids[0]), stream="lines")) == [ids[4]]
    assert kept(place, QuarantineFilter(stream="orders", since_load=int(ids[2].split("-")[0]))) == [ids[2]]
    assert place.first.rejected_counts(QuarantineFilter(stream="orders")) == [
        QuarantineCount("shop", "orders", "primary_key", 1),
        QuarantineCount("shop", "orders", "type", 2),
    ]


def test_pages_follow_each_other_in_the_order_of_numbers_and_not_of_texts(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(1), 1, rejected=[bad(str(number)) for number in range(23)], complete=True))
    after, origins = "", []
    while page := place.first.rejected_rows(ALL, after=after, limit=5):
        assert len(page) <= 5
        origins += [row.rejected.origin for row in page]
        after = page[-1].id
    assert origins == [str(number) for number in range(23)]


def test_nothing_is_quarantined_before_prepare(bare_place: Place):
    assert bare_place.first.rejected_rows(ALL, limit=5) == []
    assert bare_place.first.rejected_counts(ALL) == []
    assert bare_place.first.stream_runs("shop", "orders") == []


def test_released_rows_leave_with_the_load_and_the_position_stays(place: Place):
    filled(place)
    ids = kept(place)
    before = place.first.state("shop", "orders", "orders")
    with contextlib.closing(place.first.loader(target(run_id="replay"), as_it_stands=True)) as loader:
        still = {ids[1]: RejectedRow(origin="", rule="unique", reason="there already", raw="", column="id")}
        loader.begin("replay")
        loader.write(
            load(rows(4, 5), 0, changes=[], batch_id="replay", read=3, released=[ids[0], ids[2]], still_rejected=still)
        )
        committed = loader.end(None)
    assert committed.loaded == 2
    assert [row["id"] for row in place.all("orders")] == [1, 2, 3, 4, 5]
    [row] = place.first.rejected_rows(ALL, limit=5)
    assert row.id == ids[1]
    assert row.rejected == RejectedRow("b", "unique", "there already", '{"id": null}', "id")
    after = place.first.state("shop", "orders", "orders")
    assert (after.position, after.rows, after.last_success) == (before.position, 5, before.last_success)
    newest = place.first.stream_runs("shop", "orders")[0]
    assert (newest.run_id, newest.loaded, newest.released, newest.rejected) == ("replay", 2, 2, 1)
    [step] = place.rows(f"SELECT * FROM {place.table('_bief_steps')} WHERE run_id = 'replay'")
    counts = (step["records_extracted"], step["records_loaded"], step["records_rejected"])
    assert (step["status"], counts) == ("success", (3, 2, 1))


def test_a_release_that_does_not_find_its_rows_moves_nothing(place: Place):
    filled(place)
    ids = kept(place)
    with contextlib.closing(place.first.loader(target(run_id="replay"), as_it_stands=True)) as loader:
        loader.begin("replay")
        with pytest.raises(DestinationRefused, match="1 of 2 rows are not in the quarantine"):
            loader.write(load(rows(4, 5), 0, changes=[], batch_id="replay", released=[ids[0], "99-1"]))
    assert kept(place) == ids
    assert place.count("orders") == 3


def test_a_release_is_part_of_the_conservation_law(place: Place):
    filled(place)
    ids = kept(place)
    with contextlib.closing(place.first.loader(target(run_id="replay"), as_it_stands=True)) as loader:
        loader.begin("replay")
        with pytest.raises(RowsUnaccounted):
            loader.write(load(rows(4), 0, changes=[], batch_id="replay", read=2, released=ids[:2]))
    assert kept(place) == ids


def test_a_replay_inside_a_round_that_was_cut_off_leaves_the_round_as_it_is(place: Place):
    filled(place, complete=False)
    before = place.first.state("shop", "orders", "orders")
    with contextlib.closing(place.first.loader(target(run_id="replay"), as_it_stands=True)) as loader:
        assert loader.resumed
        loader.begin("replay")
        loader.write(load(rows(9), 0, changes=[], batch_id="replay", released=kept(place)[:1]))
        loader.end(None)
    assert place.first.state("shop", "orders", "orders") == before
    with contextlib.closing(place.first.loader(target(run_id="run-2"))) as loader:
        assert loader.position == before.position
        loader.commit(load(rows(10), 3, changes=[], complete=True))
    assert place.first.state("shop", "orders", "orders").rows == 5


def test_replace_mode_takes_replayed_rows_into_the_published_table(place: Place):
    filled(place, mode="replace")
    with contextlib.closing(place.first.loader(target("replace", run_id="replay"), as_it_stands=True)) as loader:
        loader.begin("replay")
        loader.write(load(rows(4), 0, changes=[], batch_id="replay", released=kept(place)[:1]))
        loader.end(None)
    assert [row["id"] for row in place.all("orders")] == [1, 2, 3, 4]
    assert not place.first.state("shop", "orders", "orders__new").table_exists
    with contextlib.closing(place.first.loader(target("replace", run_id="run-2"))) as loader:
        assert loader.position is None
        loader.commit(load(rows(7), 1, changes=[], complete=True))
    assert [row["id"] for row in place.all("orders")] == [7]


def test_a_round_of_replace_mode_that_is_half_done_must_be_finished_first(place: Place):
    filled(place, mode="replace")
    with contextlib.closing(place.first.loader(target("replace", run_id="run-2"))) as loader:
        loader.commit(load(rows(7), 1, changes=[]))
    with pytest.raises(DestinationRefused, match=r"half done.*bief run shop"):
        place.first.loader(target("replace", run_id="replay"), as_it_stands=True)
    with contextlib.closing(place.first.loader(target("replace", run_id="run-2"))) as loader:
        assert loader.position is not None, "the round must still be there"


@pytest.mark.parametrize("gone", [True, False], ids=["the table is gone", "another table"])
def test_rows_do_not_come_back_into_a_table_without_the_others(place: Place, gone: bool):
    filled(place)
    if gone:
        place.by_hand(f"DROP TABLE {place.table('orders')}")
    wanted = target(run_id="replay", table="orders" if gone else "elsewhere")
    with pytest.raises(DestinationRefused, match="bief run shop"):
        place.first.loader(wanted, as_it_stands=True)


def test_a_replay_is_fenced_by_a_run_and_fences_one(place: Place):
    filled(place)
    ids = kept(place)
    run = place.first.loader(target(run_id="run-2"))
    replay = place.first.loader(target(run_id="replay"), as_it_stands=True)
    with pytest.raises(Fenced):
        run.commit(load(rows(9), 3, changes=[]))
    run.close()
    place.first.loader(target(run_id="run-3")).close()
    with pytest.raises(Fenced):
        replay.begin("replay")
    replay.close()
    assert kept(place) == ids
