"""Rows beside rows, without a destination; with one: tests/integration/test_checks_among_rows.py."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bief.batches.schema import JSON
from bief.guard.references import Own, repeated


def places(names, own=None, **columns):
    broken = repeated(names, pa.table(columns), None, own or Own("things"))
    return broken.places, broken.reasons(broken.places), broken.column


def test_the_first_keeps_its_value_and_null_is_like_nothing():
    assert places(["a"], a=["x", None, "y", "x", None, "x"]) == (
        [3, 5],
        ["'x' stands in an earlier row too"] * 2,
        "a",
    )


def test_of_several_columns_all_must_be_the_same():
    found = places(["a", "b"], a=["x", "x", "x", "x"], b=[1, 2, 1, None])
    assert found == ([2], ["'x', '1' stands in an earlier row too"], "")


def test_versions_of_one_row_may_have_the_same_value():
    own = Own("things", ("id",))
    assert places(["a"], own, id=[1, 1, 2, 3], a=["x", "x", "y", "x"])[0] == [3]


def test_what_holds_the_primary_key_is_unique_by_itself():
    assert places(["a", "id"], Own("things", ("id",), replaces=True), id=[1, 1], a=["x", "x"])[0] == []


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"x", b"y", b"x"]),
        pa.array(['{"a": 1}', "[1]", '{"a": 1}']).cast(JSON),
        pa.array([True, False, True]),
        pa.array([1.5, 2.5, 1.5]),
        pa.array([1, 2, 1], pa.date32()),
        pa.array([1, 2, 1], pa.timestamp("us", tz="UTC")),
        pa.array([1, 2, 1]).cast(pa.decimal128(38, 9)),
    ],
    ids=lambda values: str(values.type),
)
def test_values_of_every_type_are_compared(values):
    assert places(["a"], a=values)[0] == [2]
