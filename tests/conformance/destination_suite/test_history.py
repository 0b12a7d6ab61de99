"""History mode: one row per version of a record, and one current version per key."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pyarrow as pa
from places import Place, load, stored, table, target

from bief.batches.schema import INTEGER, JSON, TEXT, TIMESTAMP

SCHEMA = pa.schema([("id", INTEGER), ("name", TEXT), ("tags", JSON)])
TIMED = pa.schema([("id", INTEGER), ("name", TEXT), ("changed_at", TIMESTAMP)])


def rows(*triples: tuple[int, str | None, str | None]) -> pa.Table:
    return table([{"id": key, "name": name, "tags": tags} for key, name, tags in triples], SCHEMA)


def at(hour: int) -> datetime:
    return datetime(2025, 4, 20, hour, tzinfo=UTC)


def timed(key: int, name: str, hour: int) -> pa.Table:
    return table([{"id": key, "name": name, "changed_at": at(hour)}], TIMED)


def versions(place: Place) -> list[tuple[int, str | None, bool]]:
    found = place.rows(f"SELECT id, name, is_current FROM {place.table('orders')} ORDER BY id, valid_from, valid_to")
    return [(row["id"], row["name"], bool(row["is_current"])) for row in found]


def test_a_version_is_written_only_when_something_differs(place: Place):
    with contextlib.closing(place.first.loader(target("history"))) as loader:
        loader.commit(load(rows((1, "a", "[1]"), (2, None, None)), 1))
        same = loader.commit(load(rows((1, "a", "[1]"), (2, None, None)), 2, changes=[]))
        assert (same.loaded, same.superseded) == (0, 2)
        done = loader.commit(load(rows((1, "a", "[2]"), (2, "now", None), (3, "c", None)), 3, changes=[]))
        assert (done.loaded, done.superseded) == (3, 0)
        back = loader.commit(load(rows((2, None, None)), 4, changes=[], complete=True))
        assert (back.loaded, back.superseded) == (1, 0)
    assert versions(place) == [
        (1, "a", False), (1, "a", True), (2, None, False), (2, "now", False), (2, None, True), (3, "c", True),
    ]  # fmt: skip


def test_versions_follow_each_other_without_gap_or_overlap(place: Place):
    with contextlib.closing(place.first.loader(target("history"))) as loader:
        for step in range(4):
            loader.commit(load(rows((1, f"v{step}", None)), step, complete=step == 3))
    found = place.rows(f"SELECT name, valid_from, valid_to FROM {place.table('orders')} ORDER BY valid_from")
    assert [row["name"] for row in found] == ["v0", "v1", "v2", "v3"]
    assert [row["valid_to"] for row in found] == [*(row["valid_from"] for row in found[1:]), None]


def test_a_deleted_record_is_closed_and_can_come_back(place: Place):
    gone = pa.table({"id": pa.array([1], INTEGER)})
    with contextlib.closing(place.first.loader(target("history"))) as loader:
        loader.commit(load(rows((1, "a", None), (2, "b", None)), 1))
        assert loader.commit(load(rows(), 2, changes=[], deleted=gone)).deleted == 1
        assert loader.commit(load(rows(), 3, changes=[], deleted=gone)).deleted == 0
        assert versions(place) == [(1, "a", False), (2, "b", True)]
        loader.commit(load(rows((1, "a", None)), 4, changes=[], complete=True))
    assert versions(place) == [(1, "a", False), (1, "a", True), (2, "b", True)]


def test_a_timestamp_version_says_when_a_version_began(place: Place):
    with contextlib.closing(place.first.loader(target("history", version_column="changed_at"))) as loader:
        loader.commit(load(timed(1, "a", 8), 1))
        loader.commit(load(timed(1, "b", 9), 2, changes=[]))
        older = loader.commit(load(timed(1, "late", 7), 3, changes=[], complete=True))
    assert (older.loaded, older.superseded) == (0, 1)
    found = place.rows(f"SELECT valid_from, valid_to FROM {place.table('orders')} ORDER BY valid_from")
    times = [(stored(row["valid_from"], TIMESTAMP), stored(row["valid_to"], TIMESTAMP)) for row in found]
    assert times == [(at(8), at(9)), (at(9), None)]


def test_an_old_version_does_not_bring_a_deleted_record_back(place: Place):
    gone = pa.table({"id": pa.array([1], INTEGER)})
    with contextlib.closing(place.first.loader(target("history", version_column="changed_at"))) as loader:
        loader.commit(load(timed(1, "a", 8), 1))
        loader.commit(load(timed(1, "b", 9), 2, changes=[], deleted=gone))
        done = loader.commit(load(timed(1, "a", 8), 3, changes=[], complete=True))
    assert (done.loaded, done.superseded) == (0, 1)
    assert versions(place) == [(1, "a", False), (1, "b", False)]


def test_a_rebuild_reads_everything_again_and_keeps_the_versions(place: Place):
    with contextlib.closing(place.first.loader(target("history"))) as loader:
        loader.commit(load(rows((1, "a", None)), 1))
        loader.commit(load(rows((1, "b", None)), 2, changes=[], complete=True))
    with contextlib.closing(place.first.loader(target("history"), rebuild=True)) as loader:
        assert loader.position is None
        assert loader.schema == SCHEMA
        loader.commit(load(rows((1, "b", None)), 1, changes=[]))
    with contextlib.closing(place.first.loader(target("history"), rebuild=True)) as loader:
        assert loader.resumed is True
        loader.commit(load(rows((2, "c", None)), 2, changes=[], complete=True))
    assert versions(place) == [(1, "a", False), (1, "b", True), (2, "c", True)]
