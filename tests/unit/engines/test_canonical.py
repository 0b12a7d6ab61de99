"""Equal values in one form, whatever a database makes of them."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.schema import FLOAT, INTEGER, JSON, TEXT, type_named
from bief.engines.canonical import ODD, canonical, canonical_json

NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def written(value, *, backwards=False, zeros=""):
    """JSON text with keys in one order or the other, and with numbers in one notation or another."""
    if isinstance(value, dict):
        keys = sorted(value, reverse=backwards)
        inside = ", ".join(f"{json.dumps(k)}: {written(value[k], backwards=backwards, zeros=zeros)}" for k in keys)
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{','.join(written(each, backwards=backwards, zeros=zeros) for each in value)}]"
    if isinstance(value, Decimal):
        return f"{value:f}{zeros if '.' in f'{value:f}' else ''}"
    return json.dumps(value)


@given(VALUES)
def test_order_and_notation_make_no_difference(value):
    assert canonical_json(written(value)) == canonical_json(written(value, backwards=True, zeros="00"))


@given(VALUES, VALUES)
def test_different_values_stay_different(one, other):
    same = json.loads(written(one), parse_float=Decimal) == json.loads(written(other), parse_float=Decimal)
    numbers_for_booleans = "true" in written([one, other]) or "false" in written([one, other])
    if not numbers_for_booleans:  # Python calls True and 1 equal
        assert (canonical_json(written(one)) == canonical_json(written(other))) is same


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"b": 1.50, "a": [1e2, -0.0]}', '{"a":[100,0],"b":1.5}'),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ('{"a": 1, "a": 2}', '{"a":2}'),
        ('"\\u00e9"', '"é"'),
        ("not json", "not json"),
        ("1E900", "1E+900"),
    ],
)
def test_json_in_its_shortest_words(text, words):
    assert canonical_json(text) == words


def test_a_missing_column_is_null_and_others_are_left_out():
    rows = pa.table({"other": ["x"], "id": [1]})
    found = canonical(rows, pa.schema({"id": INTEGER, "label": TEXT}))
    assert found.to_pylist() == [{"id": 1, "label": None, ODD: None}]


def test_zero_has_no_sign():
    assert str(canonical(pa.table({"rate": [-0.0]}), pa.schema({"rate": FLOAT})).column("rate")[0].as_py()) == "0.0"


def test_what_the_column_cannot_hold_stands_beside_it():
    rows = pa.table({"amount": ["1.50", "1.505", None]})
    found = canonical(rows, pa.schema({"amount": type_named("decimal(9,2)")})).to_pylist()
    assert found == [
        {"amount": Decimal("1.50"), ODD: None},
        {"amount": None, ODD: '{"amount": "1.505"}'},
        {"amount": None, ODD: None},
    ]


def test_json_that_repeats_itself_is_read_once():
    column = pa.chunked_array([pa.array(['{"b":1,"a":2}', None]), pa.array(['{"a":2,"b":1}'])]).cast(JSON)
    found = canonical(pa.table({"lines": column}), pa.schema({"lines": JSON})).column("lines").to_pylist()
    assert found == ['{"a":2,"b":1}', None, '{"a":2,"b":1}']
