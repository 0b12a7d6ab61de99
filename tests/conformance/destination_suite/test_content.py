"""What stands in the table after loads, in each mode."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from places import Place, load, stored, table, target

from bief.batches.batch import RejectedRow
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP, type_named
from bief.errors import DestinationRefused, RowsUnaccounted

SIMPLE = pa.schema([("id", INTEGER), ("name", TEXT)])
VERSIONED = pa.schema([("id", INTEGER), ("name", TEXT), ("version", INTEGER)])
EVERY_TYPE = pa.schema(
    [
        ("id", INTEGER),
        ("name", TEXT),
        ("ratio", FLOAT),
        ("amount", type_named("decimal(38,9)")),
        ("paid", BOOLEAN),
        ("day", DATE),
        ("at", TIMESTAMP),
        ("wall", DATETIME),
        ("tags", JSON),
        ("raw", BINARY),
    ]
)


def rows(*pairs: tuple[int, str]) -> pa.Table:
    return table([{"id": key, "name": name} for key, name in pairs], SIMPLE)


def versions(*triples: tuple[int, str, int | None]) -> pa.Table:
    return table([{"id": key, "name": name, "version": version} for key, name, version in triples], VERSIONED)


def names(place: Place, order: str = "id") -> list[tuple[int, str]]:
    return [(row["id"], row["name"]) for row in place.all("orders", order)]


@pytest.mark.parametrize("mode", ["append", "replace", "merge", "history"])
def test_every_type_comes_back_exactly(place: Place, mode: str):
    given = [
        {
            "id": 2**63 - 1, "name": "Zoë 🦆 'quoted' \"twice\"\t\n", "ratio": 0.1,
            "amount": Decimal("12345678901234567890123456789.123456789"), "paid": True, "day": date(1900, 2, 28),
            "at": datetime(2025, 4, 20, 11, 30, 0, 123456, UTC),
            "wall": datetime.fromisoformat("0001-01-01T00:00:00.000001"),
            "tags": '{"a": [1, 2.50, null, "é"]}', "raw": b"\x00\xff",
        },
        {"id": -(2**63), "name": "", "amount": Decimal("0.000000001"), "paid": False, "day": date(9999, 12, 31)},
        {"id": 0, "amount": Decimal(-5)},
    ]  # fmt: skip
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        loader.commit(load(table(given, EVERY_TYPE), 1, complete=True))
        assert loader.schema == EVERY_TYPE
    back = {row["id"]: row for row in place.all("orders")}
    for row in given:
        for column in EVERY_TYPE:
            assert stored(back[row["id"]][column.name], column.type) == row.get(column.name), column.name
    with contextlib.closing(place.first.loader(target("append", table="orders", stream="again"))) as loader:
        known = [name for name in loader.schema.names if name not in ("valid_from", "valid_to", "is_current")]
        assert [loader.schema.field(name).type for name in known] == EVERY_TYPE.types


def test_append_keeps_every_row(place: Place):
    with contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader:
        loader.commit(load(rows((1, "a"), (1, "a")), 1))
        assert loader.commit(load(rows((1, "b")), 2, complete=True)).loaded == 1
    assert sorted(names(place)) == [(1, "a"), (1, "a"), (1, "b")]


def test_append_with_key_and_version_takes_each_version_once(place: Place):
    with contextlib.closing(place.first.loader(target("append", version_column="version"))) as loader:
        loader.commit(load(versions((1, "a", 1), (2, "b", 1)), 1))
        done = loader.commit(load(versions((1, "a", 1), (2, "b2", 2), (2, "b3", 3), (3, "c", None)), 2, complete=True))
    assert (done.loaded, done.superseded) == (3, 1)
    assert sorted(names(place)) == [(1, "a"), (2, "b"), (2, "b2"), (2, "b3"), (3, "c")]


def test_the_key_can_be_the_version_too(place: Place):
    with contextlib.closing(place.first.loader(target("append", version_column="id"))) as loader:
        loader.commit(load(versions((1, "a", 1), (2, "b", 1)), 1))
        done = loader.commit(load(versions((2, "b", 1), (3, "c", 1)), 2, complete=True))
    assert (done.loaded, done.superseded) == (1, 1)
    assert sorted(names(place)) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_load_never_has_one_row_twice(place: Place):
    twice = [("merge", versions((1, "a", 1), (1, "b", 2))), ("append", versions((1, "a", 1), (1, "b", 1)))]
    for mode, rows in twice:
        loading = place.first.loader(target(mode, version_column="version", table=mode, stream=mode))
        with contextlib.closing(loading) as loader, pytest.raises(RowsUnaccounted, match="same primary key"):
            loader.commit(load(rows, 1))


def test_merge_has_one_row_per_key_and_missing_columns_become_null(place: Place):
    with contextlib.closing(place.first.loader(target("merge"))) as loader:
        loader.commit(load(rows((1, "a"), (2, "b")), 1))
        done = loader.commit(load(rows((2, "B"), (3, "c")), 2))
        assert (done.loaded, done.superseded, done.deleted) == (2, 0, 0)
        assert names(place) == [(1, "a"), (2, "B"), (3, "c")]
        loader.commit(load(pa.table({"id": pa.array([3], INTEGER)}), 3, changes=[], complete=True))
    assert names(place) == [(1, "a"), (2, "B"), (3, None)]


def test_an_older_version_never_replaces_a_newer_one(place: Place):
    with contextlib.closing(place.first.loader(target("merge", version_column="version"))) as loader:
        loader.commit(load(versions((1, "new", 5), (2, "no version", None)), 1))
        done = loader.commit(load(versions((1, "old", 4), (2, "now one", 1), (3, "c", None)), 2))
        assert (done.loaded, done.superseded) == (2, 1)
        loader.commit(load(versions((1, "same", 5), (2, "none", None)), 3, complete=True))
    assert names(place) == [(1, "same"), (2, "now one"), (3, "c")]


def test_versions_compare_by_value_and_not_as_text(place: Place):
    schema = pa.schema([("id", INTEGER), ("name", TEXT), ("version", type_named("decimal(10,2)"))])
    with contextlib.closing(place.first.loader(target("merge", version_column="version"))) as loader:
        loader.commit(load(table([{"id": 1, "name": "nine", "version": Decimal(9)}], schema), 1))
        loader.commit(load(table([{"id": 1, "name": "ten", "version": Decimal(10)}], schema), 2, complete=True))
    assert names(place) == [(1, "ten")]


def test_a_key_of_two_columns(place: Place):
    schema = pa.schema([("country", TEXT), ("id", INTEGER), ("name", TEXT)])
    keyed = target("merge", primary_key=("country", "id"))
    with contextlib.closing(place.first.loader(keyed)) as loader:
        given = [{"country": "fr", "id": 1, "name": "a"}, {"country": "de", "id": 1, "name": "b"}]
        loader.commit(load(table(given, schema), 1))
        gone = table([{"country": "fr", "id": 1}], schema).select(["country", "id"])
        done = loader.commit(load(table([{"country": "de", "id": 1, "name": "B"}], schema), 2, deleted=gone))
    assert (done.loaded, done.deleted) == (1, 1)
    assert place.all("orders") == [{"country": "de", "id": 1, "name": "B"}]


def test_deletes_come_after_the_rows_of_the_same_load(place: Place):
    with contextlib.closing(place.first.loader(target("merge"))) as loader:
        loader.commit(load(rows((1, "a"), (2, "b")), 1))
        done = loader.commit(load(rows((3, "c")), 2, deleted=pa.table({"id": [1, 3, 99]}), complete=True))
    assert done.deleted == 2
    assert names(place) == [(2, "b")]


def test_every_row_names_its_load(place: Place):
    with contextlib.closing(place.first.loader(target("merge"))) as loader:
        first = loader.commit(load(rows((1, "a"), (2, "b")), 1))
        second = loader.commit(load(rows((2, "B")), 2, complete=True))
    found = place.rows(f"SELECT id, _load_id, _loaded_at FROM {place.table('orders')} ORDER BY id")
    assert [row["_load_id"] for row in found] == [first.load_id, second.load_id]
    assert all(row["_loaded_at"] is not None for row in found)


def test_rejected_rows_land_with_the_load(place: Place):
    rejected = [RejectedRow("page 1, record 2", "type", "not a number", '{"id": "x"}', "id")] * 3
    with contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader:
        done = loader.commit(load(rows((1, "a")), 1, rejected=rejected, complete=True))
    kept = place.rows(f"SELECT * FROM {place.table('_bief_quarantine')}")
    assert [(row["load_id"], row["origin"], row["column_name"]) for row in kept] == [
        (done.load_id, "page 1, record 2", "id")
    ] * 3
    assert kept[0]["raw"] == '{"id": "x"}'
    assert kept[0]["run_id"] == "run-1"


def test_rejected_rows_with_nul_are_kept_too(place: Place):
    with contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader:
        bad = RejectedRow("record 1", "invalid", "NUL", "a\x00b")
        loader.commit(load(rows(), 1, rejected=[bad], complete=True))
    assert place.rows(f"SELECT raw FROM {place.table('_bief_quarantine')}") == [{"raw": "a\\u0000b"}]


@pytest.mark.parametrize("mode", ["merge", "history"])
def test_two_rows_with_one_key_are_refused(place: Place, mode: str):
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        with pytest.raises(RowsUnaccounted, match="same primary key"):
            loader.commit(load(rows((1, "a"), (1, "b")), 1))
        with pytest.raises(RowsUnaccounted, match="no value in 'id'"):
            loader.commit(load(table([{"name": "a"}], SIMPLE), 1))
    assert place.first.state("shop", "orders", "orders").table_exists is False


def test_a_count_that_does_not_add_up_takes_everything_back(place: Place):
    with contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader:
        with pytest.raises(RowsUnaccounted, match="3 records were read, and 2 are accounted for"):
            loader.commit(load(rows((1, "a"), (2, "b")), 1, read=3))
        assert place.count("_bief_loads") == 0
        loader.commit(load(rows((1, "a")), 1, read=3, filtered=1, deduplicated=1, complete=True))
    assert names(place) == [(1, "a")]


def test_names_that_hurt(place: Place):
    odd = 'we"ird; DROP TABLE x --é'
    schema = pa.schema([("id", INTEGER), (odd, TEXT), ("select", TEXT)])
    given = [{"id": 1, odd: "x", "select": "y"}]
    with contextlib.closing(place.first.loader(target("merge", table="Or'd\"ers"))) as loader:
        loader.commit(load(table(given, schema), 1, complete=True))
        loader.commit(load(table(given, schema), 2, changes=[], complete=True))
    quoted = place.table("Or'd\"ers".replace('"', '""'))
    assert [row[odd] for row in place.rows(f"SELECT * FROM {quoted}")] == ["x"]


@pytest.mark.parametrize(
    "name", ["_bief_loads", "etl_logs", "SYNC_METADATA", "pg_class", "x__new", "a\x00b", "a\nb", ""]
)
def test_taken_and_broken_table_names_are_refused(place: Place, name: str):
    with pytest.raises(DestinationRefused):
        place.first.loader(target("append", table=name))


def test_taken_column_names_are_refused(place: Place):
    with (
        contextlib.closing(place.first.loader(target("append", primary_key=()))) as loader,
        pytest.raises(DestinationRefused, match="_load_id"),
    ):
        loader.commit(load(pa.table({"_load_id": [1]}), 1))


def test_merge_without_a_key_is_refused(place: Place):
    with pytest.raises(DestinationRefused, match="needs a primary key"):
        place.first.loader(target("merge", primary_key=()))
