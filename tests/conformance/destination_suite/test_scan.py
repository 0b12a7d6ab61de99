"""A table read as it is: every type exactly, only what is current, one moment, memory that does not grow."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from places import load, table, target

from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP, type_named
from bief.errors import DestinationRefused

MOMENT = datetime(2025, 4, 20, 11, 30, 0, 123456, tzinfo=UTC)
SCHEMA = pa.schema(
    {
        "id": INTEGER,
        "label": TEXT,
        "rate": FLOAT,
        "amount": type_named("decimal(38,9)"),
        "paid": BOOLEAN,
        "day": DATE,
        "made_at": TIMESTAMP,
        "local_time": DATETIME,
        "lines": JSON,
        "photo": BINARY,
    }
)
FULL = {
    "id": 1,
    "label": "",
    "rate": 0.1,
    "amount": Decimal("12345678901234567890123456789.123456789"),
    "paid": False,
    "day": date(2025, 4, 20),
    "made_at": MOMENT,
    "local_time": MOMENT.replace(tzinfo=None),
    "lines": '{"a":[1,2]}',
    "photo": b"\x00\xff",
}
EMPTY = {"id": 2}


def loaded(place, rows, mode="merge", step=1, schema=SCHEMA, **changes):
    with closing(place.first.loader(target(mode, **changes))) as loader:
        given = table(rows, schema)
        loader.commit(load(given, step, complete=True, changes=None if loader.schema is None else []))


def scanned(place, columns, **how):
    with closing(place.first.scan("orders", columns, **how)) as parts:
        found = [row for part in parts for row in part.to_pylist()]
    return sorted(found, key=lambda row: row["id"])


def test_every_type_comes_back_as_it_was_loaded(place):
    loaded(place, [FULL, EMPTY])
    assert place.first.columns("orders").equals(SCHEMA)
    full, empty = scanned(place, SCHEMA.names)
    assert full.pop("lines").replace(" ", "") == FULL["lines"]
    assert full == {name: value for name, value in FULL.items() if name != "lines"}
    assert empty == {**dict.fromkeys(SCHEMA.names), "id": 2}


def test_parts_have_the_types_of_the_columns(place):
    loaded(place, [FULL])
    with closing(place.first.scan("orders", SCHEMA.names)) as parts:
        assert all(part.schema.remove_metadata().equals(SCHEMA) for part in parts)


def test_only_the_columns_asked_for_come_in_their_order(place):
    loaded(place, [FULL])
    with closing(place.first.scan("orders", ["label", "id"])) as parts:
        assert [part.column_names for part in parts] == [["label", "id"]]


def test_a_scan_of_history_gives_current_versions(place):
    few = pa.schema({"id": INTEGER, "label": TEXT})
    loaded(place, [{"id": 1, "label": "old"}, {"id": 2, "label": "same"}], "history", schema=few)
    loaded(place, [{"id": 1, "label": "new"}], "history", step=2, schema=few, run_id="run-2")
    assert place.count("orders") == 3
    assert place.first.columns("orders", history=True).names == ["id", "label"]
    assert scanned(place, ["id", "label"], history=True) == [{"id": 1, "label": "new"}, {"id": 2, "label": "same"}]


def test_a_scan_left_early_leaves_the_table_free(place):
    loaded(place, [FULL, EMPTY])
    parts = place.first.scan("orders", ["id"])
    next(parts)
    parts.close()
    place.by_hand(f"DROP TABLE {place.table('orders')}")
    assert place.first.columns("orders") is None


def test_a_table_without_rows_has_no_parts_with_rows(place):
    loaded(place, [])
    assert scanned(place, ["id"]) == []


def test_many_rows_come_in_several_parts(place):
    count = 250_000
    wide = pa.table({"id": pa.array(range(count), INTEGER), "label": pa.array(["x" * 60] * count, TEXT)})
    with closing(place.first.loader(target("replace"))) as loader:
        loader.commit(load(wide, 1, complete=True))
    with closing(place.first.scan("orders", ["id", "label"])) as parts:
        sizes = [part.num_rows for part in parts]
    assert sum(sizes) == count
    assert len(sizes) > 1


def test_what_is_not_there_is_refused(place):
    assert place.first.columns("orders") is None
    with pytest.raises(DestinationRefused, match="no table orders"):
        next(place.first.scan("orders", ["id"]))
    loaded(place, [FULL])
    with pytest.raises(DestinationRefused, match="no column nothing"):
        next(place.first.scan("orders", ["id", "nothing"]))


def test_nothing_is_there_before_prepare(bare_place):
    assert bare_place.first.columns("orders") is None


def test_a_value_that_its_type_cannot_hold_comes_as_text(place):
    loaded(place, [FULL, EMPTY])
    change = {
        "postgres": "UPDATE pennylane.orders SET amount = 'NaN' WHERE id = 2",
        "sqlite": "UPDATE orders SET amount = 'much', paid = 'maybe' WHERE id = 2",
    }.get(place.kind)
    if change is None:
        pytest.skip("DuckDB holds no value that its column's type cannot hold")
    place.by_hand(change)
    full, odd = scanned(place, ["id", "amount", "paid"])
    assert full["amount"] == "12345678901234567890123456789.123456789"
    assert odd["amount"] in ("NaN", "much")
    if place.kind == "sqlite":
        assert (full["paid"], odd["paid"]) == ("false", "maybe")
