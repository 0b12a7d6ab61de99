"""Properties of reading JSON records: both ways agree, and nothing is lost."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bief.batches import strict
from bief.batches.batch import ROW_NUMBER
from bief.batches.columns import Columns
from bief.batches.native import NativeReader
from bief.batches.rows import RecordReader
from bief.batches.schema import JSON, TEXT

SCALARS = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False, min_value=-(2.0**52), max_value=2.0**52),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["2024-01-01", "2024-01-01T10:00:00Z", "1.5", "null", ""]),
    "boolean": st.booleans(),
}
ANYTHING = st.recursive(
    st.none() | st.one_of(*SCALARS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(["id", "a", "A", "é", "a b", "list", "created_at", "_id", "valid_to", "x__y"])


@st.composite
def records_of_one_kind(draw):
    """Records in which each member has one type: what a sane API gives."""

    def member(depth):
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            keys = draw(st.lists(KEYS, max_size=3, unique=True))
            members = {key: member(depth + 1) for key in keys}
            return st.none() | st.fixed_dictionaries({}, optional=members)
        if draw(st.integers(0, 3)) == 0:
            return st.none() | st.lists(st.integers(-5, 5) | st.none(), max_size=3)
        return st.none() | SCALARS[draw(st.sampled_from(sorted(SCALARS)))]

    members = {key: member(0) for key in draw(st.lists(KEYS, max_size=5, unique=True))}
    return draw(st.lists(st.fixed_dictionaries({}, optional=members), min_size=1, max_size=8))


DECLARED = st.dictionaries(
    st.sampled_from(["id", "a", "list", "a_b"]), st.sampled_from([TEXT, JSON, pa.decimal128(20, 3)]), max_size=2
)


@given(records_of_one_kind(), DECLARED, st.booleans(), st.sampled_from([None, 1]))
def test_both_ways_read_good_records_alike(records, declared, ascii_only, indent):
    texts = [json.dumps(record, ensure_ascii=ascii_only, indent=indent).encode() for record in records]
    native_columns, strict_columns = Columns(declared), Columns(declared)
    found = NativeReader(native_columns).read(texts)
    assert found is not None
    outcome = strict.read(texts, strict_columns, 10**6)
    assert outcome.refused == {}
    native = {path: column for path, column in found.items() if column.null_count < len(column)}
    careful = {path: column for path, column in outcome.columns.items() if column.null_count < len(column)}
    assert native_columns.in_order(native) == strict_columns.in_order(careful)
    for path, column in native.items():
        assert column.type == careful[path].type, path
        assert column.to_pylist() == careful[path].to_pylist(), path
        assert native_columns.name(path) == strict_columns.name(path)


@given(st.lists(st.dictionaries(KEYS, ANYTHING, max_size=3), max_size=5))
def test_every_value_of_any_records_is_in_some_column(records):
    outcome = RecordReader().read([json.dumps(record).encode() for record in records], str)
    assert outcome.rejected == ()
    assert outcome.rows.num_rows == len(records)
    for place, row in enumerate(outcome.rows.drop_columns([ROW_NUMBER]).to_pylist()):
        assert sum(value is not None for value in row.values()) == leaves_of(records[place])


def leaves_of(value):
    if isinstance(value, dict):
        return sum(leaves_of(each) for each in value.values())
    return 0 if value is None else 1


@given(
    st.lists(
        st.binary(max_size=12) | st.sampled_from([b'{"a":1}', b'{"a":', b'"x"}', b'{"a":1}{"a":1}', b"[]"]), max_size=6
    )
)
def test_any_bytes_are_either_a_row_or_rejected(records):
    outcome = RecordReader().read(records, str)
    kept = outcome.rows.column(ROW_NUMBER).to_pylist()
    assert len(kept) + len(outcome.rejected) == len(records)
    for place in kept:
        assert isinstance(json.loads(records[place].decode("utf-8-sig")), dict)


def test_columns_that_come_late_have_the_same_order_each_time():
    records = [json.dumps({"id": number, "text": "x" * 5000}).encode() for number in range(3000)]
    for number, key in enumerate("dbcaef"):
        records[number * 400 + 599] = json.dumps({"id": 0, key: "2024-01-01"}).encode()
    found = RecordReader().read(records, str).rows
    assert found.column_names == ["id", "text", *"abcdef", ROW_NUMBER]
    assert all(found.schema.field(key).type == TEXT for key in "abcdef")


def test_two_broken_records_do_not_make_one_good_one():
    outcome = RecordReader().read([b'{"a": "x', b'y"} {"b": 2}'], str)
    assert outcome.rows.num_rows == 0
    assert len(outcome.rejected) == 2
