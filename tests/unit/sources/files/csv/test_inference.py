"""Types by the values: quick and slow ways agree, and no order of values makes a difference."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bief.batches.casting import cast_column
from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, TEXT, TIMESTAMP
from bief.sources.files.csv.inference import kind_and_values, read_as, settle
from bief.sources.files.csv.kinds import Kind, join, kind_of

NUMBERS = ["0", "-0", "7", "-12", "007", "-01", "+5", "00", "0x10", "1.5", "-0.25", "19.90", "1.", ".5", "-.5", "00.5"]
NUMBERS += ["9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "1e5", "1_000"]
NUMBERS += [
    "-9223372036854775808",
    "9" * 38,
    "9" * 39,
    "0.1234567890123456",
    "0.12345678901234567",
    "48.858370000000001",
]
NUMBERS += ["1,5", "nan", "NaN", "inf", "-inf", "-", "--1", " 5", "5 ", "1" * 400 + ".5", "12345678901234.10", "٣"]
WORDS = ["true", "false", "True", "False", "TRUE", "FALSE", "tRue", "t", "yes", "", "x", "null"]
TIMES = ["2024-02-29", "2023-02-29", "0000-01-01", "10000-01-01", "2024-1-1", "31/02/2024", "0001-01-01", "9999-12-31"]
TIMES += ["2024-01-01 10:00", "2024-01-01T10:00:00", "2024-01-01 10", "2024-01-01 24:00:00", "2024-01-01 10:00:60"]
TIMES += ["2024-01-01 10:00:00.5", "2024-01-01 10:00:00.1234560", "2024-01-01 10:00:00.1234567", "0000-01-01 10:00:00"]
TIMES += [
    "2024-01-01T10:00:00Z",
    "2024-01-01 10:00+01",
    "2024-01-01T10Z",
    "2024-01-01 10+01:00",
    "2024-01-01T10:00+0130",
]
TIMES += ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2024-01-01T10:00:00z", "2024-01-01t10:00:00"]
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *WORDS, *TIMES]),
    st.integers().map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.text(st.sampled_from("0123456789-+.eE:TZ "), max_size=12),
)
# Columns that are nearly of one kind are the interesting ones.
COLUMNS = st.one_of(
    st.lists(st.none() | VALUES, max_size=6),
    st.lists(st.none() | st.sampled_from(NUMBERS), max_size=6),
    st.lists(st.none() | st.sampled_from(TIMES), max_size=4),
    st.lists(st.sampled_from(["1", "2", "9007199254740993", "2.5", None]), max_size=5),
)
KINDS = st.sampled_from(list(Kind))


def texts(values):
    return pa.array(values, TEXT)


def kind_by_hand(values):
    return reduce(join, (kind_of(value) for value in values if value is not None), Kind.EMPTY)


@given(COLUMNS)
@example(["1", "9007199254740994", "1.5"])
@example(["5", None, "0x10"])
@example(["1", "9" * 39])
@example(["1", "-" + "9" * 38])
def test_a_column_has_the_least_kind_that_has_room_for_each_value(values):
    column = texts(values)
    if column.null_count < len(column):
        kind, typed = kind_and_values(column)

        assert kind is kind_by_hand(values)
        assert typed.type == kind.type
        assert typed.is_valid().to_pylist() == column.is_valid().to_pylist()


@given(COLUMNS)
def test_the_values_are_those_that_the_rest_of_bief_makes_of_the_texts(values):
    kind, typed = settle(texts(values), Kind.EMPTY)
    if kind is not Kind.EMPTY:
        expected, misfits = cast_column(pa.chunked_array([texts(values)]), kind.type)

        assert not any(misfits.to_pylist())
        assert typed.to_pylist() == expected.to_pylist()


@given(COLUMNS, COLUMNS)
def test_it_makes_no_difference_where_a_column_is_cut(first, second):
    whole, _ = settle(texts(first + second), Kind.EMPTY)
    before, _ = settle(texts(first), Kind.EMPTY)
    after, typed = settle(texts(second), before)

    assert after is whole
    # The type changed under the rows that came before, or it did not.
    assert (typed is None) == (before is not Kind.EMPTY and before.type != whole.type)
    if typed is not None:
        assert typed.type == whole.type


@given(KINDS, KINDS, KINDS)
def test_kinds_are_joined_in_any_order(one, two, three):
    assert join(one, two) is join(two, one)
    assert join(join(one, two), three) is join(one, join(two, three))
    assert join(one, one) is one


@given(COLUMNS, st.sampled_from([INTEGER, FLOAT, BOOLEAN, DATE, DATETIME, TIMESTAMP, pa.decimal128(12, 2)]))
@example(["1.005"], pa.decimal128(12, 2))
@example(["123456789012345"], pa.decimal128(12, 2))
@example(["5.0", "1"], INTEGER)
@example(["9" * 45 + ".5"], pa.decimal128(38, 1))
@example(["1e9", "+5", "007.50", "5.", ".5"], pa.decimal128(12, 2))
def test_a_declared_type_takes_what_the_contract_would_take(values, to):
    column = texts(values)
    expected, misfits = cast_column(pa.chunked_array([column]), to)
    found = read_as(column, to)

    assert (found is None) == any(misfits.to_pylist())
    if found is not None:
        assert found.type == to
        assert found.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize(
    ("values", "arrow_type", "expected"),
    [
        (["1", "-20"], INTEGER, [1, -20]),
        (["19.90", "5"], FLOAT, [19.9, 5.0]),
        (["1", "12345678901234567890"], pa.decimal128(38, 0), [Decimal(1), Decimal(12345678901234567890)]),
        (["00123"], TEXT, ["00123"]),
        (["1e5"], TEXT, ["1e5"]),
        (["0.12345678901234567890"], TEXT, ["0.12345678901234567890"]),
        (["9007199254740993", "1.5"], TEXT, ["9007199254740993", "1.5"]),
        (["true", "false"], BOOLEAN, [True, False]),
        (["true", "FALSE"], TEXT, ["true", "FALSE"]),
        (["1", "true"], TEXT, ["1", "true"]),
        (["2024-02-29"], DATE, [date(2024, 2, 29)]),
        (["2023-02-29"], TEXT, ["2023-02-29"]),
        (["2024-01-01 10:00"], DATETIME, [datetime(2024, 1, 1, 10)]),  # noqa: DTZ001 - that is the type
        (["2024-01-01T10:00:00+02:00"], TIMESTAMP, [datetime(2024, 1, 1, 8, tzinfo=UTC)]),
        (["2024-01-01", "2024-01-01 10:00"], TEXT, ["2024-01-01", "2024-01-01 10:00"]),
    ],
)
def test_texts_become(values, arrow_type, expected):
    kind, typed = settle(texts(values), Kind.EMPTY)

    assert (kind.type, typed.to_pylist()) == (arrow_type, expected)
