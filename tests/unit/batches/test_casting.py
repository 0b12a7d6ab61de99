"""Casting: exact, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.casting import as_text, cast_column, infer_text, natural
from bief.batches.parsing import parse, parse_all
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP, type_named

# Wall times have no zone: that is what the type is for.
WALL = datetime(2024, 1, 1, 10, 0, 0, 500000)  # noqa: DTZ001
MONEY = pa.decimal128(18, 2)


def texts(*values):
    return pa.chunked_array([pa.array(values, TEXT)])


def column(values, arrow_type):
    return pa.chunked_array([pa.array(values, arrow_type)])


def one(value, to, arrow_type=TEXT):
    """The value after the cast, or "misfit"; the vectorised and the row-exact way must agree on it."""
    outcomes = []
    for values in ([value], [value, None], [value, "no value of any type"] if arrow_type == TEXT else [value]):
        result, misfits = cast_column(column(values, arrow_type), to)
        assert result.type == to
        outcomes.append("misfit" if misfits[0].as_py() else result[0].as_py())
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


@pytest.mark.parametrize(
    ("text", "to", "expected"),
    [
        ("0", INTEGER, 0),
        ("-9223372036854775808", INTEGER, -(2**63)),
        ("5.00", INTEGER, 5),
        ("1e5", FLOAT, 100000.0),
        ("0.1", FLOAT, 0.1),
        ("1.5", MONEY, Decimal("1.50")),
        ("1.5000", MONEY, Decimal("1.50")),
        ("-1e2", MONEY, Decimal(-100)),
        ("0e-999", MONEY, Decimal(0)),
        ("9999999999999999.99", MONEY, Decimal("9999999999999999.99")),
        ("True", BOOLEAN, True),
        ("0", BOOLEAN, False),
        ("2024-02-29", DATE, date(2024, 2, 29)),
        ("2024-01-01T10:00:00Z", TIMESTAMP, datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01 10:00+02:00", TIMESTAMP, datetime(2024, 1, 1, 8, tzinfo=UTC)),
        ("2024-01-01T10:00:00.123456-0530", TIMESTAMP, datetime(2024, 1, 1, 15, 30, 0, 123456, tzinfo=UTC)),
        ("2024-01-01T10:00:00.1234560000Z", TIMESTAMP, datetime(2024, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2024-01-01T10:00:00.5", DATETIME, WALL),
        ("é", BINARY, "é".encode()),
        ('say "é"', JSON, '"say \\"é\\""'),
    ],
)
def test_a_text_becomes_a_value(text, to, expected):
    assert one(text, to) == expected


@pytest.mark.parametrize(
    ("text", "to"),
    [
        *((text, INTEGER) for text in ("", " 5", "+5", "5.5", "1e3", "9223372036854775808", "n/a", "٣", "5\n")),
        *((text, FLOAT) for text in ("1,5", "nan", "inf", "1e400", "9007199254740993.0", "0x10", "1_000", "1\n")),
        *((text, MONEY) for text in ("1.555", "10000000000000000", "1e400", "1e-400", "1,5", "NaN", "1.5\n", "")),
        *((text, BOOLEAN) for text in ("yes", "t", "2", "")),
        *((text, DATE) for text in ("2024-1-1", "20240101", "2024-01-01T00:00:00", "2024-01-01\n")),
        *((text, TIMESTAMP) for text in ("2024-01-01", "2024-01-01T10:00:00", "1704103200", "2024-01-01T10Z")),
        *((text, DATETIME) for text in ("2024-01-01T10:00:00Z", "2024-01-01")),
        ("2024-01-01T10:00:00.1234567Z", TIMESTAMP),
        ("9999-12-31T23:00:00-05:00", TIMESTAMP),
    ],
)
def test_a_text_that_would_change_does_not_fit(text, to):
    assert one(text, to) == "misfit"


@pytest.mark.parametrize("text", ["00123", "0033 1 23", "-007"])
def test_21_leading_zeros_are_no_number(text):
    assert one(text, INTEGER) == "misfit"
    assert infer_text(texts(text)).type == TEXT


@pytest.mark.parametrize("text", ["1e5", "1_000", "1,234.5", "1.234,5", "42"])
def test_22_numbers_in_text_stay_text(text):
    assert infer_text(texts(text)).type == TEXT


@pytest.mark.parametrize("day", ["2024-02-31", "2023-02-29", "0000-00-00", "0000-01-01", "10000-01-01", "2024-13-01"])
def test_24_days_that_do_not_exist_do_not_fit(day):
    assert one(day, DATE) == "misfit"
    assert one(f"{day}T10:00:00Z", TIMESTAMP) == "misfit"
    assert one(f"{day}T10:00:00", DATETIME) == "misfit"


@pytest.mark.parametrize("time", ["24:00:00", "10:60:00", "23:59:60", "10:00:00+24:00"])
def test_24_times_that_do_not_exist_do_not_fit(time):
    assert one(f"2024-01-01T{time}{'' if '+' in time else 'Z'}", TIMESTAMP) == "misfit"


@pytest.mark.parametrize("day", ["01/02/2024", "2024/01/02", "1 Jan 2024"])
def test_25_ambiguous_dates_stay_text(day):
    assert one(day, DATE) == "misfit"
    assert infer_text(texts(day)).type == TEXT


@pytest.mark.parametrize(
    ("values", "inferred"),
    [
        (("2024-01-01T10:00:00Z", None, "2024-01-01T10:00:00.5+02:00"), TIMESTAMP),
        (("2024-01-01T10:00:00", "2024-01-01 10:00"), DATETIME),
        (("2024-01-01", None), DATE),
        (("2024-01-01", "2024-01-01T10:00:00"), TEXT),
        (("2024-01-01T10:00:00Z", "2024-01-01T10:00:00"), TEXT),
        (("2024-01-01T10:00:00.123456789Z",), TEXT),
        ((None, None), TEXT),
        ((), TEXT),
        (("2024-01-01", ""), TEXT),
    ],
)
def test_only_full_iso_texts_are_inferred(values, inferred):
    assert infer_text(texts(*values)).type == inferred


@pytest.mark.parametrize(
    ("value", "arrow_type", "to", "expected"),
    [
        (2**53, INTEGER, FLOAT, 2.0**53),
        (2**53 + 1, INTEGER, FLOAT, "misfit"),
        (5, INTEGER, TEXT, "5"),
        (5, INTEGER, JSON, "5"),
        (5, INTEGER, MONEY, Decimal(5)),
        (5, INTEGER, TIMESTAMP, "misfit"),
        (5, INTEGER, DATE, "misfit"),
        (5.0, FLOAT, INTEGER, 5),
        (5.5, FLOAT, INTEGER, "misfit"),
        (0.1, FLOAT, MONEY, Decimal("0.10")),
        (0.125, FLOAT, MONEY, "misfit"),
        (float("nan"), FLOAT, JSON, "misfit"),
        (float("inf"), FLOAT, MONEY, "misfit"),
        (float("nan"), FLOAT, INTEGER, "misfit"),
        (Decimal("5.00"), MONEY, INTEGER, 5),
        (Decimal("5.01"), MONEY, INTEGER, "misfit"),
        (Decimal("5.01"), MONEY, pa.decimal128(38, 1), "misfit"),
        (Decimal("5.10"), MONEY, pa.decimal128(38, 1), Decimal("5.1")),
        (Decimal("0.10"), MONEY, FLOAT, 0.1),
        (True, BOOLEAN, TEXT, "true"),
        (True, BOOLEAN, INTEGER, "misfit"),
        (1, INTEGER, BOOLEAN, True),
        (date(2024, 1, 1), DATE, TIMESTAMP, "misfit"),
        (date(2024, 1, 1), DATE, TEXT, "2024-01-01"),
        (datetime(2024, 1, 1, tzinfo=UTC), TIMESTAMP, DATETIME, "misfit"),
        (datetime(2024, 1, 1, tzinfo=UTC), TIMESTAMP, JSON, '"2024-01-01T00:00:00.000000Z"'),
        (WALL, DATETIME, TEXT, "2024-01-01T10:00:00.500000"),
        (b"\xff", BINARY, TEXT, "/w=="),
        (b"1", BINARY, INTEGER, "misfit"),
    ],
)
def test_a_value_keeps_its_meaning_or_does_not_fit(value, arrow_type, to, expected):
    assert one(value, to, arrow_type) == expected


def test_json_gives_its_scalars_to_other_types():
    values = column(["5", '"a\\"b"', "[1]", '"2024-01-01"', "null"], TEXT).cast(JSON)
    assert cast_column(values, TEXT)[0].to_pylist() == ["5", 'a"b', "[1]", "2024-01-01", None]
    assert cast_column(values, INTEGER)[0].to_pylist() == [5, None, None, None, None]
    assert cast_column(values, DATE)[1].to_pylist() == [True, True, True, False, True]


def test_null_fits_everything():
    for to in (TEXT, INTEGER, FLOAT, MONEY, BOOLEAN, DATE, TIMESTAMP, DATETIME, JSON, BINARY):
        for empty in (texts(None), column([None], INTEGER), column([None], pa.null())):
            result, misfits = cast_column(empty, to)
            assert (result.to_pylist(), misfits.to_pylist()) == ([None], [False])
            assert result.type == to


@pytest.mark.parametrize(
    ("values", "expected_type", "expected"),
    [
        (pa.array([1], pa.int16()), INTEGER, [1]),
        (pa.array([2**64 - 1], pa.uint64()), pa.decimal128(38, 0), [Decimal(2**64 - 1)]),
        (pa.array([0.5], pa.float32()), FLOAT, [0.5]),
        (pa.array(["a"]).dictionary_encode(), TEXT, ["a"]),
        (pa.array(["a"], pa.large_string()), TEXT, ["a"]),
        (pa.array([b"a"], pa.large_binary()), BINARY, [b"a"]),
        (pa.array([[1, None]]), JSON, ["[1,null]"]),
        (pa.array([{"a": "é"}]), JSON, ['{"a":"é"}']),
        (pa.array([WALL], pa.timestamp("ns")), DATETIME, [WALL]),
        (pa.array([1], pa.timestamp("ns")), TEXT, ["1970-01-01 00:00:00.000000001"]),
        (pa.array([1], pa.timestamp("s", "Europe/Paris")), TIMESTAMP, [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]),
        (pa.array([Decimal(10) ** 38], pa.decimal256(40, 0)), TEXT, ["1" + "0" * 38]),
        (pa.array([Decimal("1.5")], pa.decimal256(40, 1)), pa.decimal128(38, 1), [Decimal("1.5")]),
        (pa.array([None], pa.null()), TEXT, [None]),
    ],
)
def test_any_arrow_type_has_a_natural_one(values, expected_type, expected):
    result = natural(pa.chunked_array([values]))
    assert result.type == expected_type
    assert result.to_pylist() == expected


ZONE = r"(Z|[+-][0-2][0-9](:?[0-6][0-9])?)?"
TIME = rf"[T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.][0-9]{{1,8}})?)?{ZONE}"
NUMBERS = st.from_regex(r"\A[+-]?[0-9]{1,20}([.][0-9]{0,5})?([eE][+-]?[0-9]{1,2})?\Z")
LOOKALIKES = NUMBERS | st.from_regex(rf"\A[0-9]{{4}}-[01][0-9]-[0-3][0-9]({TIME})?\Z")


@given(LOOKALIKES | st.text(max_size=6), st.sampled_from([INTEGER, FLOAT, MONEY, BOOLEAN, DATE, TIMESTAMP, DATETIME]))
def test_one_text_and_a_column_of_texts_follow_the_same_rules(text, to):
    value = parse(text, to)
    result, misfits = cast_column(texts(text), to)
    assert misfits[0].as_py() == (value is None)
    assert result[0].as_py() == value
    if value is not None and (whole := parse_all(texts(text), to)) is not None:
        assert whole[0].as_py() == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15))
def test_a_decimal_survives_the_way_through_text(value):
    assert one(str(value), MONEY) == value
    assert Decimal(as_text(column([value], MONEY))[0].as_py()) == value


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_survives_the_way_through_text(moment):
    try:
        expected = moment.astimezone(UTC)
        text = moment.isoformat()
        if len(text.rpartition(":")[2]) != 2 or text.count(":") != 3:
            return
    except OverflowError:
        return
    assert one(text, TIMESTAMP) == expected


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text())
def test_everything_becomes_valid_json(value):
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return
    result, misfits = cast_column(pa.chunked_array([pa.array([value])]), JSON)
    if misfits[0].as_py():
        assert value in (float("inf"), float("-inf"))
    elif value is not None:
        assert json.loads(result[0].as_py()) == value


@pytest.mark.parametrize(
    ("to", "good", "bad"),
    [
        (DATE, "2024-02-29", "2023-02-29"),
        (type_named("decimal(12,2)"), "19.90", "19.905"),
        (type_named("decimal(38,0)"), "7", "9" * 39),
        (INTEGER, "42", "9999999999999999999"),
        (TIMESTAMP, "2024-01-01T00:00:00Z", "2024-02-30T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("bad_places", [(0,), (499,), (31, 32, 33), range(0, 500, 7), range(500)])
def test_a_few_bad_values_among_many_are_found_exactly(to, good, bad, bad_places):
    texts = [bad if place in set(bad_places) else good for place in range(500)]
    for column in (pa.array(texts), pa.chunked_array([texts[:123], texts[123:]])):
        values, misfits = cast_column(column, to)
        assert [place for place, misfit in enumerate(misfits.to_pylist()) if misfit] == list(bad_places)
        [expected] = cast_column(pa.array([good]), to)[0].to_pylist()
        assert values.to_pylist() == [None if place in set(bad_places) else expected for place in range(500)]
