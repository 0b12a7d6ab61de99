"""Rules of single rows, against the same rule said in Python for one value at a time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.config.checks import AcceptedValues, Range, Regex
from bief.errors import CheckFailed
from bief.guard import rules


def column(values, arrow_type):
    return pa.chunked_array([pa.array(values, arrow_type)])


def reasons(broken):
    return broken.reasons(broken.places)


def test_only_null_is_null():
    broken = rules.not_null(column(["", None, "x", None], TEXT), "a")
    assert broken.places == [1, 3]
    assert reasons(broken) == ["it is null or missing"] * 2
    assert rules.not_null(column([0, 1], INTEGER), "a").places == []


@pytest.mark.parametrize(
    ("values", "arrow_type", "accepted", "bad"),
    [
        (["new", None, "lost"], TEXT, ["new", "paid"], [2]),
        (["1", "2", "1.0"], TEXT, [1], [1, 2]),
        ([1, 2, None], INTEGER, ["1", 3], [1]),
        ([Decimal("1.50"), Decimal("1.51")], pa.decimal128(9, 2), [1.5], [1]),
        ([True, False, None], BOOLEAN, [True], [1]),
        ([date(2024, 1, 1), date(2024, 1, 2)], DATE, ["2024-01-01"], [1]),
        ([1.5, float("nan")], FLOAT, [1.5], [1]),
    ],
)
def test_accepted_values_are_compared_in_the_type_of_the_column(values, arrow_type, accepted, bad):
    broken = rules.accepted_values(AcceptedValues(column="a", values=accepted), column(values, arrow_type))
    assert broken.places == bad


def test_of_json_the_content_is_compared():
    texts = column(['"new"', '"lost"', None], TEXT).cast(JSON)
    assert rules.accepted_values(AcceptedValues(column="a", values=["new"]), texts).places == [1]


def test_a_reason_shows_some_of_many_accepted_values():
    rule = AcceptedValues(column="a", values=list(range(9)))
    assert reasons(rules.accepted_values(rule, column([77], INTEGER))) == ["'77' is not one of 0, 1, 2, 3, 4, …"]


BOUNDS = st.one_of(st.integers(-(10**20), 10**20), st.floats(-1e15, 1e15, allow_nan=False), st.integers(-3, 3))
TYPED = st.sampled_from(
    [
        (INTEGER, st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
        (FLOAT, st.floats(-1e15, 1e15) | st.integers(-3, 3).map(float)),
        (pa.decimal128(18, 2), st.decimals(-(10**15), 10**15, places=2) | st.integers(-3, 3).map(Decimal)),
        (pa.decimal128(38, 18), st.decimals(-3, 3, places=18)),
        (pa.decimal128(38, 0), st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal)),
    ]
)


@given(
    TYPED.flatmap(lambda typed: st.tuples(st.just(typed[0]), st.lists(st.none() | typed[1], max_size=6))),
    BOUNDS,
    BOUNDS,
)
def test_numbers_of_every_type_are_held_against_exact_limits(typed, one, other):
    arrow_type, values = typed
    least, most = sorted((one, other), key=lambda bound: Decimal(repr(bound)))
    rule = Range(column="a", min=least, max=most)

    def is_outside(value):
        exact = value if arrow_type == FLOAT else Decimal(value)
        limits = (float(least), float(most)) if arrow_type == FLOAT else (Decimal(repr(least)), Decimal(repr(most)))
        return not limits[0] <= exact <= limits[1]

    broken = rules.in_range(rule, column(values, arrow_type))
    assert broken.places == [place for place, value in enumerate(values) if value is not None and is_outside(value)]


MOMENT = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arrow_type", "values", "least", "most", "bad"),
    [
        (DATE, [date(2024, 1, day) for day in (1, 2, 3)], "2024-01-02", "2024-01-02", [0, 2]),
        (DATE, [date(2024, 1, day) for day in (1, 2, 3)], "2024-01-01T00:00:00Z", "2024-01-02T12:00:00Z", [2]),
        (DATE, [date(2024, 1, day) for day in (1, 2, 3)], "2024-01-01T00:00:01Z", None, [0]),
        (TIMESTAMP, [MOMENT + timedelta(hours=12 * n) for n in (-2, -1, 0, 1)], "2024-01-02", "2024-01-02", [0, 3]),
        (TIMESTAMP, [MOMENT, MOMENT + timedelta(hours=1)], None, "2024-01-02T14:00:00+02:00", [1]),
        (DATETIME, [MOMENT.replace(tzinfo=None), datetime(2024, 1, 3)], None, "2024-01-02", [1]),  # noqa: DTZ001
        (FLOAT, [1.0, float("nan"), float("inf"), None], 0, None, [1]),
        (FLOAT, [1.0, float("nan"), float("inf"), None], None, 5, [1, 2]),
    ],
)
def test_a_range_holds_its_limits_and_a_day_is_a_whole_day(arrow_type, values, least, most, bad):
    assert rules.in_range(Range(column="a", min=least, max=most), column(values, arrow_type)).places == bad


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"min": 0, "max": 9}, "'-1' is not in the range 0 to 9"),
        ({"min": 0}, "'-1' is less than 0"),
        ({"max": -2}, "'-1' is greater than -2"),
    ],
)
def test_a_reason_says_which_limit_was_passed(rule, reason):
    assert reasons(rules.in_range(Range(column="a", **rule), column([-1], INTEGER))) == [reason]


@pytest.mark.parametrize(
    ("limit", "arrow_type"),
    [(1, TEXT), (1, DATE), (1, BOOLEAN), ("2024-01-01", INTEGER), ("2024-01-01", TEXT), (1, JSON)],
)
def test_a_range_of_the_wrong_kind_is_an_error(limit, arrow_type):
    values = column([None], TEXT).cast(JSON) if arrow_type == JSON else column([None], arrow_type)
    with pytest.raises(CheckFailed, match="wants a column of"):
        rules.in_range(Range(column="a", min=limit), values)


@given(
    st.lists(st.none() | st.text("ab@\n", max_size=4), max_size=6), st.sampled_from(["^a", "b", "^[^@]+@[^@]+$", "a|b"])
)
def test_a_pattern_is_looked_for_anywhere_in_the_text(texts, pattern):
    expected = [
        place
        for place, text in enumerate(texts)
        if text is not None and re.search(pattern.replace("$", r"\Z"), text) is None
    ]
    assert rules.regex(Regex(column="a", pattern=pattern), column(texts, TEXT)).places == expected


def test_a_pattern_sees_the_text_of_other_types():
    assert rules.regex(Regex(column="a", pattern="^[0-9]{2}$"), column([5, 55, None], INTEGER)).places == [0]
    texts = column(['"ab"', "[1]"], TEXT).cast(JSON)
    assert rules.regex(Regex(column="a", pattern="^ab$"), texts).places == [1]


def test_a_reason_shows_the_start_of_a_long_value():
    broken = rules.regex(Regex(column="a", pattern="^$"), column(["x" * 500], TEXT))
    assert reasons(broken) == [f"'{'x' * 80}…' does not match ^$"]
