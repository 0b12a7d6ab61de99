"""The newest row of each key, and no other."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER
from bief.batches.keys import last_per_key
from bief.batches.schema import JSON


def test_58_the_last_of_a_key_by_cursor_and_then_by_position_stays():
    rows = pa.table({"id": [1, 2, 1, 1, 3], "at": [5, 1, 9, 9, None], "body": ["a", "b", "c", "d", "e"]})
    kept, removed = last_per_key(rows, ["id"], "at")
    assert kept.column("body").to_pylist() == ["b", "d", "e"]
    assert removed == 2


def test_58_without_a_cursor_the_position_decides():
    rows = pa.table({"a": [1, 1, 1], "b": ["x", "y", "x"], ROW_NUMBER: [4, 5, 6]})
    kept, removed = last_per_key(rows, ["a", "b"], None)
    assert kept.column(ROW_NUMBER).to_pylist() == [5, 6]
    assert removed == 1


def test_59_a_null_cursor_is_the_lowest():
    rows = pa.table({"id": [1, 1], "at": [0, None], "body": ["with", "without"]})
    assert last_per_key(rows, ["id"], "at")[0].column("body").to_pylist() == ["with"]


def test_a_cursor_that_is_not_there_does_not_count():
    rows = pa.table({"id": [1, 1], "body": ["a", "b"]})
    assert last_per_key(rows, ["id"], "at")[0].column("body").to_pylist() == ["b"]


def test_json_may_be_a_key():
    rows = pa.table({"id": pa.array(["[1]", "[1]", "[2]"]).cast(JSON)})
    assert last_per_key(rows, ["id"])[0].column("id").to_pylist() == ["[1]", "[2]"]


def test_without_keys_nothing_is_removed():
    rows = pa.table({"id": [1, 1]})
    assert last_per_key(rows, [], None) == (rows, 0)


CELLS = st.tuples(st.integers(0, 3), st.sampled_from("xy"), st.none() | st.integers(0, 2))


@given(st.lists(CELLS, max_size=20), st.booleans())
def test_what_is_left_is_what_a_dictionary_would_keep(cells, has_cursor):
    rows = pa.table(
        {
            "a": pa.array([a for a, _, _ in cells], pa.int64()),
            "b": pa.array([b for _, b, _ in cells], pa.string()),
            "at": pa.array([at for _, _, at in cells], pa.int64()),
            "place": pa.array(range(len(cells)), pa.int64()),
        }
    )
    newest: dict[tuple[int, str], int] = {}
    for place, (a, b, at) in enumerate(cells):
        old = newest.get((a, b))
        rank = -1 if at is None else at
        if old is None or not has_cursor or rank >= (-1 if cells[old][2] is None else cells[old][2]):
            newest[a, b] = place
    kept, removed = last_per_key(rows, ["a", "b"], "at" if has_cursor else None)
    assert kept.column("place").to_pylist() == sorted(newest.values())
    assert removed == len(cells) - len(newest)
