"""A load of several parts is visible as a whole or not at all; the guard can look around inside it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from places import SCHEMA as PG_SCHEMA
from places import Place, load, table, target

from bief.base import failpoints
from bief.batches.batch import Position, RejectedRow
from bief.batches.schema import DATE, INTEGER, TEXT, TIMESTAMP, type_named
from bief.errors import DestinationRefused
from bief.ports.destination import AddColumn, Load

SCHEMA = pa.schema([("id", INTEGER), ("name", TEXT)])
LATER = pa.schema([*SCHEMA, ("note", TEXT)])
MODES = ["append", "replace", "merge", "history"]


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm("")


def rows(first: int, last: int, schema: pa.Schema = SCHEMA, name: str = "x") -> pa.Table:
    return table([{"id": key, "name": name, "note": "n"} for key in range(first, last)], schema)


def part(rows: pa.Table, **more) -> Load:
    words = {"batch_id": "b1", "position": None, "changes": [], **more}
    return load(rows, 0, **words)


def three_parts() -> list[Load]:
    return [
        part(rows(0, 4), changes=None, rejected=[RejectedRow("line 9", "type", "no", "{}")]),
        part(rows(4, 7, LATER), changes=[AddColumn("note", TEXT)]),
        part(rows(7, 9, LATER)),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_all_parts_become_visible_together(place: Place, mode: str):
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        assert loader.begin("b1") is None
        for number, each in enumerate(three_parts()):
            assert loader.write(each).loaded == each.rows.num_rows
            assert loader.begin("b1") is None
            if place.kind != "duckdb":  # where other readers would wait for the file
                assert not place.open().state("shop", "orders", "orders").table_exists, number
        done = loader.end(Position({"file": 1}, complete=True))
    assert (done.loaded, done.superseded, done.refused, done.landed_before) == (9, 0, 0, False)
    assert [row["id"] for row in place.all("orders")] == list(range(9))
    assert [row["note"] for row in place.all("orders")] == [None] * 4 + ["n"] * 5
    [ledger] = place.rows(f"SELECT * FROM {place.table('_bief_loads')}")
    assert (ledger["rows_read"], ledger["rows_loaded"], ledger["rows_rejected"]) == (10, 9, 1)
    assert place.rows(f"SELECT origin FROM {place.table('_bief_quarantine')}") == [{"origin": "line 9"}]


@pytest.mark.parametrize("mode", MODES)
def test_a_later_part_may_bring_the_rows_of_an_earlier_one_again(place: Place, mode: str):
    with contextlib.closing(place.first.loader(target(mode, version_column="name"))) as loader:
        loader.begin("b1")
        loader.write(part(rows(0, 4), changes=None))
        loader.write(part(rows(2, 6, name="y")))
        loader.end(Position({}, complete=True))
    newest = {row["id"]: row["name"] for row in sorted(place.all("orders", "id, name"), key=lambda row: row["name"])}
    assert newest == {0: "x", 1: "x", 2: "y", 3: "y", 4: "y", 5: "y"}
    assert place.count("orders") == {"append": 8, "replace": 6, "merge": 6, "history": 8}[mode]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("point", ["load.after_rows", "load.before_commit"])
def test_an_error_takes_all_parts_back(place: Place, mode: str, point: str):
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        loader.commit(load(rows(100, 101), 1))
        loader.begin("b1")
        loader.write(part(rows(0, 4)))
        failpoints.arm(f"{point}=raise")
        with pytest.raises(failpoints.Injected, match=point):
            _write_and_end(loader)
        failpoints.arm("")
        assert loader.position == Position({"step": 1}, complete=False)
        with pytest.raises(ValueError, match="open"):
            loader.write(part(rows(4, 7)))
        assert loader.begin("b1") is None
        for each in three_parts():
            loader.write(replace(each, changes=[] if each.changes and len(each.changes) > 1 else each.changes))
        done = loader.end(Position({}, complete=True))
        assert loader.begin("b1") == replace(done, landed_before=True)
    assert [row["id"] for row in place.all("orders")] == [*range(9), 100]
    assert len(place.rows(f"SELECT * FROM {place.table('_bief_quarantine')}")) == 1


def _write_and_end(loader) -> None:
    loader.write(part(rows(4, 7)))
    loader.end(Position({}, complete=False))


def test_a_rolled_back_load_leaves_nothing_and_others_their_turn(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.begin("b1")
        loader.write(part(rows(0, 4), changes=None))
        loader.rollback()
        with contextlib.closing(place.first.loader(target(stream="other", table="other"))) as other:
            other.commit(load(rows(0, 1), 1, complete=True))
        assert loader.position is None
        assert loader.schema is None
    assert not place.first.state("shop", "orders", "orders").table_exists


def test_closing_takes_an_open_load_back(place: Place):
    loader = place.first.loader(target())
    loader.begin("b1")
    loader.write(part(rows(0, 4), changes=None))
    loader.close()
    with contextlib.closing(place.first.loader(target())) as successor:
        assert successor.position is None
        successor.commit(load(rows(0, 1), 1, complete=True))
    assert place.count("orders") == 1


def test_lookup_sees_the_table_and_the_open_load(place: Place):
    schema = pa.schema(
        [("id", INTEGER), ("day", DATE), ("at", TIMESTAMP), ("price", type_named("decimal(9,2)")), ("name", TEXT)]
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
    first = {"id": 1, "day": date(2026, 1, 2), "at": moment, "price": Decimal("1.50"), "name": "ann"}
    second = {"id": 2, "day": date(2026, 1, 3), "at": moment, "price": Decimal("2.50"), "name": None}
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(table([first], schema), 1))
        loader.begin("b2")
        loader.write(part(table([second], schema), batch_id="b2"))
        for key in ("id", "day", "at", "price"):
            wanted = table([first, second, {**first, "id": 3, "day": None}], schema).select([key])
            found = loader.lookup("orders", wanted, ["id", "name"])
            rows = sorted(found.to_pylist(), key=lambda row: row["id"])
            assert rows == [{key: row[key], "id": row["id"], "name": row["name"]} for row in (first, second)], key
            assert found.schema.field(key).type == schema.field(key).type
        assert loader.lookup("orders", table([{"id": 7}], SCHEMA).select(["id"])).num_rows == 0
        assert loader.lookup("nowhere", wanted) is None
        assert loader.lookup("orders", wanted, ["colour"]) is None
        loader.end(Position({}, complete=True))


@pytest.mark.parametrize("mode", MODES)
def test_measure_counts_what_the_commit_would_leave(place: Place, mode: str):
    schema = pa.schema([("id", INTEGER), ("at", TIMESTAMP)])
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        assert loader.measure(["at"]).rows == 0
        loader.begin("b1")
        loader.write(part(table([{"id": 1, "at": moments[0]}, {"id": 2, "at": moments[2]}], schema), changes=None))
        loader.write(part(table([{"id": 3, "at": moments[1]}], schema)))
        measured = loader.measure(["at", "colour"])
        assert (measured.rows, dict(measured.greatest)) == (3, {"at": moments[2], "colour": None})
        loader.end(Position({}, complete=True))


def refuse(place: int, reason: str) -> RejectedRow:
    return RejectedRow(f"line {place + 1}", "refused", reason, "{}")


def with_a_rule(place: Place) -> None:
    name = f'{PG_SCHEMA}."orders"' if place.kind == "postgres" else '"orders"'
    big, text = ("bigint", "text") if place.kind == "postgres" else ("BIGINT", "TEXT")
    place.by_hand(f"CREATE TABLE {name} (id {big} PRIMARY KEY, name {text}, CHECK (id % 10 <> 7))")


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_rows_that_the_database_refuses_go_to_the_quarantine_one_by_one(place: Place, mode: str):
    if place.kind == "duckdb":
        pytest.skip("an error ends the transaction of DuckDB: a refused row fails the load")
    with_a_rule(place)
    with contextlib.closing(place.first.loader(target(mode))) as loader:
        loader.begin("b1")
        written = loader.write(part(rows(0, 100), refuse=refuse))
        again = loader.write(part(rows(100, 108), refuse=refuse))
        done = loader.end(Position({}, complete=True))
    assert [row.origin for row in written.refused] == [f"line {n + 1}" for n in range(100) if n % 10 == 7]
    assert (written.loaded, again.loaded, done.loaded, done.refused) == (90, 7, 97, 11)
    assert [row["id"] for row in place.all("orders")] == [n for n in range(108) if n % 10 != 7]
    kept = place.rows(f"SELECT origin, rule, reason FROM {place.table('_bief_quarantine')}")
    assert len(kept) == 11
    assert {row["rule"] for row in kept} == {"refused"}
    assert all("check" in row["reason"].lower() for row in kept)


def test_a_refusal_without_rejected_rows_fails_the_load(place: Place):
    with_a_rule(place)
    with contextlib.closing(place.first.loader(target())) as loader:
        with pytest.raises(DestinationRefused, match=r"(?i)check"):
            loader.commit(load(rows(0, 9), 1, changes=[]))
        loader.commit(load(rows(0, 7), 1, changes=[], complete=True))
    assert place.count("orders") == 7
