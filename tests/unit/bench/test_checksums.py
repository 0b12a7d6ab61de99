"""The checksum is the same for the same rows, in any order and type, and for no others."""

from __future__ import annotations

import pytest

import data
from suite.checksums import in_duckdb
from suite.contenders import Contender, Outcome, at_most, memory_at_most, times_faster
from suite.measuring import Command, Measured

ORDERS = data.orders_query(200)
EXPECTED = in_duckdb(f"({ORDERS})", data.ORDER_COLUMNS)


def changed(column, value, where="id = 17"):
    replaced = f"SELECT * REPLACE (CASE WHEN {where} THEN {value} ELSE {column} END AS {column}) FROM ({ORDERS})"
    return in_duckdb(f"({replaced})", data.ORDER_COLUMNS)


def test_order_and_types_do_not_matter():
    texts = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({ORDERS}) ORDER BY id DESC"
    assert in_duckdb(f"({texts})", data.ORDER_COLUMNS) == EXPECTED


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", "amount + 0.01"), ("note", "NULL"), ("name", "name || '!'"), ("day", "day + 1"), ("id", "18")],
)
def test_one_other_value_is_found(column, value):
    assert changed(column, value).difference_from(EXPECTED).startswith("other values")


def test_a_column_with_other_lengths_is_named():
    assert changed("status", "'unknown'").difference_from(EXPECTED) == "other values in status"


def test_a_missing_row_is_counted():
    fewer = in_duckdb(f"({ORDERS} LIMIT 199)", data.ORDER_COLUMNS)
    assert fewer.difference_from(EXPECTED) == "199 rows instead of 200"


def outcome(name, seconds, peak_bytes=0):
    runs = [Measured(each, 0.0, peak_bytes, "") for each in seconds]
    return Outcome(Contender(name, lambda folder: Command([])), runs)


def test_goals_compare_medians_and_say_when_there_is_nothing_to_compare():
    outcomes = {"Bief": outcome("Bief", [1.0, 9.0, 2.0], 301_000_000), "psql": outcome("psql", [4.0, 2.5])}
    assert at_most(1.0, "psql").verdict(outcomes) == "met: 0.62 ×"
    assert times_faster(4.0, "psql").verdict(outcomes) == "**missed**: 1.62 ×"
    assert memory_at_most(300).verdict(outcomes) == "**missed**: 301.00 MB"
    assert at_most(1.0, "sling").verdict(outcomes) == "not measured"
