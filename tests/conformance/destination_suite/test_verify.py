"""Whatever a database makes of the values: equal rows are called equal, and one changed cell is found."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from places import table
from table_source import Bench, TableSource

from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP, type_named
from bief.ports.source import Stream

MOMENT = datetime(2025, 4, 20, 11, 30, 0, 123456, tzinfo=UTC)
SCHEMA = pa.schema(
    {
        "id": INTEGER,
        "label": TEXT,
        "count": INTEGER,
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
ROW = {
    "label": "é — ''\"\\ \n",
    "count": -(2**63),
    "rate": 0.1 + 0.2,
    "amount": Decimal("-12345678901234567890123456789.100000000"),
    "paid": True,
    "day": date(1900, 2, 28),
    "made_at": MOMENT,
    "local_time": MOMENT.replace(tzinfo=None, year=1850),
    "lines": '{"z": 1.50, "a": [1e2, {"y": null, "x": "\\u00e9"}]}',
    "photo": b"\x00\xff'",
}
ROWS = [
    {"id": 1, **ROW},
    {"id": 2},
    {"id": 3, **ROW, "label": "", "rate": -0.0, "photo": b"", "lines": "[]", "amount": Decimal(0)},
    {"id": 4, **ROW, "count": 2**63 - 1, "rate": 1e308, "lines": "1.0", "paid": False},
]


def bench(place, rows=ROWS, mode="merge", **stream):
    declared = Stream("orders", **{"primary_key": ("id",), **stream})
    source = TableSource([declared], {"orders": table(rows, SCHEMA)})
    return Bench(source, place.first, place.folder, {"orders": mode})


def only(verdicts):
    [verdict] = verdicts
    return verdict


@pytest.mark.parametrize("mode", ["append", "replace", "merge", "history"])
def test_what_was_loaded_is_equal(place, mode):
    made = bench(place, mode=mode)
    assert made.run().verdict == "success"
    verdict = only(made.verify())
    assert verdict.equal, verdict.differences
    assert (verdict.source_rows, verdict.destination_rows) == (4, 4)
    assert verdict.source_checksum == verdict.destination_checksum
    assert verdict.unequal_slices == 0
    assert verdict.last_load is not None


CHANGED = [
    ("label", "", "text"),
    ("label", None, "text"),
    ("label", "É — ''\"\\ \n", "text"),
    ("count", -(2**63) + 1, "integer"),
    ("rate", 0.3, "float"),
    ("rate", 0.0, "float"),
    ("amount", Decimal("-12345678901234567890123456789.100000001"), "decimal"),
    ("paid", False, "boolean"),
    ("day", date(1900, 3, 1), "date"),
    ("made_at", MOMENT.replace(microsecond=123457), "timestamp"),
    ("local_time", MOMENT.replace(tzinfo=None, year=1851), "datetime"),
    ("lines", '{"z": 1.5, "a": [100, {"y": null, "x": "e"}]}', "json"),
    ("lines", '{"z": 1.5, "a": [{"y": null, "x": "é"}, 100]}', "json"),
    ("photo", b"\x00\xff\x00", "binary"),
    ("photo", None, "binary"),
]


@pytest.mark.parametrize(("column", "value", "kind"), CHANGED)
def test_one_changed_cell_is_found(place, column, value, kind):
    made = bench(place)
    made.run()
    made.source.tables["orders"] = table([{**ROWS[0], column: value}, *ROWS[1:]], SCHEMA)
    verdict = only(made.verify())
    assert not verdict.equal
    assert (verdict.missing, verdict.extra, verdict.changed) == (0, 0, 1)
    [difference] = verdict.differences
    assert (dict(difference.key), difference.column) == ({"id": 1}, column)
    assert difference.source != difference.destination


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("lines", '{"a":[100,{"x":"é","y":null}],"z":1.5}'),
        ("amount", Decimal("-12345678901234567890123456789.1")),
    ],
)
def test_another_notation_of_the_same_value_is_equal(place, column, value):
    made = bench(place)
    made.run()
    made.source.tables["orders"] = table([{**ROWS[0], column: value}, *ROWS[1:]], SCHEMA)
    assert only(made.verify()).equal


def test_the_sign_of_zero_is_no_difference(place):
    made = bench(place)
    made.run()
    made.source.tables["orders"] = table([*ROWS[:2], {**ROWS[2], "rate": 0.0}, ROWS[3]], SCHEMA)
    assert only(made.verify()).equal


def test_what_is_not_a_number_equals_itself_and_nothing_else(place):
    made = bench(place, [{"id": 1, "rate": float("nan")}, {"id": 2, "rate": float("inf")}])
    made.run()
    kept = place.rows(f"SELECT count(*) AS n FROM {place.table('orders')} WHERE rate IS NOT NULL")[0]["n"]
    verdict = only(made.verify())
    # SQLite has no NaN and makes it NULL: that is a loss, and is called one.
    assert verdict.changed == 2 - kept
    assert verdict.equal is (kept == 2)


def test_a_change_by_hand_is_found(place):
    made = bench(place)
    made.run()
    place.by_hand(
        f"UPDATE {place.table('orders')} SET label = NULL WHERE id = 3",
        f"DELETE FROM {place.table('orders')} WHERE id = 4",
        f"INSERT INTO {place.table('orders')} (id, label) VALUES (9, 'nine')",
    )
    verdict = only(made.verify())
    assert (verdict.missing, verdict.extra, verdict.changed) == (1, 1, 1)
    found = {each.kind: each for each in verdict.differences}
    assert dict(found["missing"].key) == {"id": 4}
    assert dict(found["extra"].key) == {"id": 9}
    assert (found["changed"].column, found["changed"].source, found["changed"].destination) == ("label", "", None)


def test_without_a_key_equal_rows_are_counted(place):
    made = bench(place, [ROWS[0], ROWS[0], ROWS[1]], "replace", primary_key=())
    made.run()
    assert only(made.verify()).equal
    made.source.tables["orders"] = table([ROWS[0], ROWS[1], ROWS[1]], SCHEMA)
    verdict = only(made.verify())
    assert (verdict.missing, verdict.extra, verdict.changed) == (1, 1, 0)


def test_history_is_compared_by_its_current_versions(place):
    made = bench(place, mode="history")
    made.run()
    made.source.tables["orders"] = table([{**ROWS[0], "label": "new"}, *ROWS[1:]], SCHEMA)
    assert only(made.verify()).changed == 1
    made.run()
    assert place.count("orders") == 5
    verdict = only(made.verify())
    assert verdict.equal
    assert verdict.destination_rows == 4


def test_append_keeps_older_versions_that_are_not_compared(place):
    made = bench(place, mode="append", cursor="made_at")
    made.run()
    later = table([{**ROWS[0], "made_at": MOMENT.replace(year=2026), "label": "new"}, *ROWS[1:]], SCHEMA)
    made.source.tables["orders"] = later
    assert only(made.verify()).missing == 1
    made.run()
    verdict = only(made.verify())
    assert verdict.equal
    assert verdict.not_compared == 1
