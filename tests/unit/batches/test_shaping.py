"""Shaping: names, hidden columns, white space, twins."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER
from bief.batches.rows import RecordReader
from bief.batches.schema import JSON, TEXT
from bief.batches.shaping import ColumnRule, Shape, deduplicate_rows, shape
from bief.errors import SourceMisread


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_columns_get_table_names_and_natural_types_and_keep_their_row_numbers():
    rows = pa.table({"First Name": ["Ada"], "n": pa.array([1], pa.int32()), ROW_NUMBER: [7]})
    assert shape(rows, Shape()).to_pydict() == {"first_name": ["Ada"], "n": [1], ROW_NUMBER: [7]}
    assert shape(rows, Shape()).schema.field("n").type == pa.int64()


def test_a_dropped_column_and_all_below_it_are_gone():
    rows = pa.table({"a": [1], "a__b": [2], "ab": [3], ROW_NUMBER: [0]})
    assert shape(rows, Shape(columns={"a": ColumnRule(drop=True)})).column_names == ["ab", ROW_NUMBER]
    assert shape(rows, Shape(columns={"a__b": ColumnRule(drop=True)})).column_names == ["a", "ab", ROW_NUMBER]


def test_a_hash_is_that_of_the_text_and_null_stays_null():
    rows = pa.table({"email": ["é@x", None], "n": [1, 2], "o__x": [True, None]})
    shaped = shape(rows, Shape(columns=dict.fromkeys(("email", "n", "o"), ColumnRule(hash=True))))
    assert shaped.to_pydict() == {
        "email": [sha("é@x"), None],
        "n": [sha("1"), sha("2")],
        "o__x": [sha("true"), None],
    }


def test_a_hashed_number_is_read_as_its_own_text():
    rules = Shape(columns={"a": ColumnRule(hash=True)})
    rows = RecordReader(rules.reader_types()).read([b'{"a": 1.50}'], str).rows
    assert shape(rows, rules).column("a").to_pylist() == [sha("1.50")]


def test_trim_takes_white_space_from_texts_before_they_are_hashed_but_not_from_json():
    rows = pa.table({"a": ["  x y\t\n", None], "b": [" z", ""], "c": pa.array(["[ 1 ] ", None]).cast(JSON)})
    shaped = shape(rows, Shape(trim=True, columns={"b": ColumnRule(hash=True)}))
    assert shaped.to_pydict() == {"a": ["x y", None], "b": [sha("z"), sha("")], "c": ["[ 1 ] ", None]}


def test_a_renamed_column_has_its_new_name_and_its_declared_type_goes_with_it():
    rules = Shape(columns={"a": ColumnRule(rename="b", type=pa.date32()), "c": ColumnRule(type=TEXT, drop=True)})
    assert shape(pa.table({"a": ["x"], "c": ["y"]}), rules).to_pydict() == {"b": ["x"]}
    assert rules.reader_types() == {"a": pa.date32()}
    assert rules.table_types() == {"b": pa.date32()}


def test_names_may_be_swapped_but_not_shared():
    rows = pa.table({"a": [1], "b": [2]})
    swap = Shape(columns={"a": ColumnRule(rename="b"), "b": ColumnRule(rename="a")})
    assert shape(rows, swap).to_pydict() == {"b": [1], "a": [2]}
    with pytest.raises(SourceMisread, match="Two columns are called 'b'"):
        shape(rows, Shape(columns={"a": ColumnRule(rename="b")}))


def test_equal_rows_become_one_also_with_json_and_null():
    rows = pa.table(
        {
            "a": [1, 1, 1, None, None],
            "b": pa.array(["[1]", "[1]", "[2]", None, None]).cast(JSON),
            "c": [[1], [1], [1], [], []],
            ROW_NUMBER: [0, 1, 2, 3, 4],
        }
    )
    kept, removed = deduplicate_rows(rows)
    assert kept.column(ROW_NUMBER).to_pylist() == [0, 2, 3]
    assert kept.schema == rows.schema
    assert removed == 2


def test_rows_without_columns_are_left_alone():
    rows = pa.table({ROW_NUMBER: [0, 1]})
    assert deduplicate_rows(rows) == (rows, 0)


@given(st.lists(st.tuples(st.none() | st.integers(0, 1), st.none() | st.sampled_from(["x", "y"])), max_size=15))
def test_the_first_of_each_set_of_twins_stays(cells):
    rows = pa.table(
        {
            "a": pa.array([a for a, _ in cells], pa.int64()),
            "b": pa.array([b for _, b in cells], pa.string()),
            ROW_NUMBER: pa.array(range(len(cells)), pa.int64()),
        }
    )
    kept, removed = deduplicate_rows(rows)
    assert kept.column(ROW_NUMBER).to_pylist() == sorted(cells.index(cell) for cell in set(cells))
    assert removed == len(cells) - len(set(cells))
