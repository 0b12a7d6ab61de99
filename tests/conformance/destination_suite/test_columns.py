"""Tables that change while they are loaded."""

from __future__ import annotations

import contextlib
import itertools
from decimal import Decimal

import pyarrow as pa
import pytest
from places import Place, load, stored, table, target

from bief.batches.schema import FLOAT, INTEGER, TEXT, type_named
from bief.errors import DestinationRefused
from bief.ports.destination import AddColumn, WidenColumn

NARROW = pa.schema([("id", INTEGER), ("amount", INTEGER)])
DECIMAL = type_named("decimal(18,2)")
WIDE = type_named("decimal(30,5)")


def committed(place: Place, *loads, **changes):
    with contextlib.closing(place.first.loader(target("merge", **changes))) as loader:
        for each in loads:
            loader.commit(each)
        return loader.schema


def amounts(place: Place, arrow_type: pa.DataType) -> list[object]:
    return [stored(row["amount"], arrow_type) for row in place.all("orders")]


def test_a_new_column_is_null_in_old_rows(place: Place):
    wider = pa.schema([*NARROW, ("note", TEXT)])
    schema = committed(
        place,
        load(table([{"id": 1, "amount": 5}], NARROW), 1),
        load(table([{"id": 2, "amount": 6, "note": "x"}], wider), 2, changes=[AddColumn("note", TEXT)]),
    )
    assert schema == wider
    assert place.all("orders") == [{"id": 1, "amount": 5, "note": None}, {"id": 2, "amount": 6, "note": "x"}]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([INTEGER, DECIMAL], [Decimal("5.00"), Decimal("6.25")]),
        ([INTEGER, FLOAT], [5.0, 6.25]),
        ([DECIMAL, WIDE], [Decimal("5.00000"), Decimal("6.25000")]),
        ([INTEGER, type_named("decimal(25,0)"), WIDE], [Decimal("5.00000"), Decimal("6.25000")]),
    ],
)
def test_a_widened_column_keeps_its_values(place: Place, steps: list[pa.DataType], expected: list[object]):
    first = pa.schema([("id", INTEGER), ("amount", steps[0])])
    last = pa.schema([("id", INTEGER), ("amount", steps[-1])])
    value = 6.25 if steps[-1] == FLOAT else Decimal("6.25")
    widenings = [WidenColumn("amount", old, new) for old, new in itertools.pairwise(steps)]
    start = 5 if steps[0] == INTEGER else Decimal(5)
    schema = committed(
        place,
        load(table([{"id": 1, "amount": start}], first), 1),
        load(table([{"id": 2, "amount": value}], last), 2, changes=widenings),
        load(table([{"id": 2, "amount": value}], last), 3, changes=[]),
    )
    assert schema == last
    back = amounts(place, steps[-1])
    assert back == expected
    assert [str(value) for value in back] == [str(value) for value in expected]


def test_views_and_indexes_survive_new_and_wider_columns(place: Place):
    committed(place, load(table([{"id": 1, "amount": 5}], NARROW), 1))
    # PostgreSQL does not change the type of a column that a view reads: it is asked to in the next test.
    seen = "id" if place.kind == "postgres" else "amount"
    place.by_hand(f"CREATE VIEW {place.table('seen')} AS SELECT {seen} AS it FROM {place.table('orders')}")
    if place.kind != "duckdb":
        place.by_hand(f"CREATE INDEX by_amount ON {place.table('orders')} (amount)")
    wide = pa.schema([("id", INTEGER), ("amount", DECIMAL), ("note", TEXT)])
    changes = [WidenColumn("amount", INTEGER, DECIMAL), AddColumn("note", TEXT)]
    committed(place, load(table([{"id": 1, "amount": Decimal(7)}], wide), 2, changes=changes))
    seen_now = place.rows(f"SELECT it FROM {place.table('seen')}")
    assert [stored(row["it"], DECIMAL) for row in seen_now] == [1 if place.kind == "postgres" else Decimal(7)]
    if place.kind == "sqlite":
        assert place.rows("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'by_amount'") == [{"n": 1}]
        assert committed(place, load(table([{"id": 1, "amount": Decimal(8)}], wide), 3, changes=[])) == wide


def test_a_view_in_the_way_is_named(place: Place):
    if place.kind != "postgres":
        pytest.skip("only PostgreSQL binds a view to the type of a column")
    committed(place, load(table([{"id": 1, "amount": 5}], NARROW), 1))
    place.by_hand(f"CREATE VIEW {place.table('powerbi')} AS SELECT amount FROM {place.table('orders')}")
    wide = pa.schema([("id", INTEGER), ("amount", DECIMAL)])
    widened = load(table([{"id": 2}], wide), 2, changes=[WidenColumn("amount", INTEGER, DECIMAL)])
    with pytest.raises(DestinationRefused, match="powerbi"):
        committed(place, widened)
    assert place.count("orders") == 1


def test_a_column_of_a_strange_type_is_left_alone_until_it_is_loaded(place: Place):
    committed(place, load(table([{"id": 1, "amount": 5}], NARROW), 1))
    place.by_hand(
        f"ALTER TABLE {place.table('orders')} ADD COLUMN span {'interval' if place.kind != 'sqlite' else 'X'}"
    )
    schema = committed(place, load(table([{"id": 1, "amount": 6}], NARROW), 2, changes=[]))
    assert schema == NARROW
    strange = pa.schema([*NARROW, ("span", TEXT)])
    for changes in ([], [AddColumn("span", TEXT)]):
        with pytest.raises(DestinationRefused, match="span"):
            committed(place, load(table([{"id": 2, "span": "x"}], strange), 3, changes=changes))
    assert place.count("orders") == 1


def test_a_column_dropped_by_hand_is_a_clear_error(place: Place):
    with contextlib.closing(place.first.loader(target("merge"))) as loader:
        loader.commit(load(table([{"id": 1, "amount": 5}], NARROW), 1))
        place.by_hand(f"ALTER TABLE {place.table('orders')} DROP COLUMN amount")
        with pytest.raises(DestinationRefused, match="'amount' of type int64, and orders has no such column"):
            loader.commit(load(table([{"id": 2, "amount": 6}], NARROW), 2, changes=[]))


def test_a_table_made_by_hand_is_taken_if_it_has_the_key(place: Place):
    text = {"postgres": "varchar(20)", "sqlite": "VARCHAR(20)", "duckdb": "VARCHAR"}[place.kind]
    place.by_hand(f"CREATE TABLE {place.table('orders')} (id integer PRIMARY KEY, name {text} NOT NULL)")
    place.by_hand(f"INSERT INTO {place.table('orders')} VALUES (1, 'hand')")
    rows = table([{"id": 2, "name": "b"}], pa.schema([("id", INTEGER), ("name", TEXT)]))
    assert committed(place, load(rows, 1, changes=[], complete=True)).names == ["id", "name"]
    with contextlib.closing(place.first.loader(target("append", primary_key=(), stream="more"))) as loader:
        more = table([{"id": 3, "name": "c"}], rows.schema)
        assert loader.commit(load(more, 1, changes=[], complete=True)).loaded == 1
    found = place.rows(f"SELECT id, name, _load_id FROM {place.table('orders')} ORDER BY id")
    assert [(row["id"], row["name"], row["_load_id"] is None) for row in found] == [
        (1, "hand", True), (2, "b", False), (3, "c", False),
    ]  # fmt: skip


def test_merge_into_a_table_without_the_key_is_refused(place: Place):
    if place.kind == "duckdb":
        pytest.skip("DuckDB merges without an index")
    place.by_hand(f"CREATE TABLE {place.table('orders')} (id integer, amount integer)")
    with pytest.raises(DestinationRefused, match="no unique index on id"):
        committed(place, load(table([{"id": 1, "amount": 5}], NARROW), 1, changes=[]))


def test_a_change_that_fails_later_leaves_the_table_as_it_was(place: Place):
    committed(place, load(table([{"id": 1, "amount": 5}], NARROW), 1))
    wide = pa.schema([("id", INTEGER), ("amount", DECIMAL), ("note", TEXT)])
    changes = [WidenColumn("amount", INTEGER, DECIMAL), AddColumn("note", TEXT)]
    with pytest.raises(Exception, match="accounted for"):
        committed(place, load(table([{"id": 2}], wide), 2, changes=changes, read=9))
    assert committed(place) == NARROW
    assert place.all("orders") == [{"id": 1, "amount": 5}]
