"""Two sets of rows against each other: what a few lines of Python say, DuckDB says too."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from bief.batches.schema import INTEGER, TEXT
from bief.engines.comparing import Comparison, Plan

SCHEMA = pa.schema({"id": INTEGER, "label": TEXT, "version": INTEGER})
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 6),
            "label": st.sampled_from([None, "", "a", "b"]),
            "version": st.integers(0, 3) | st.none(),
        }
    ),
    max_size=12,
)


def outcome(first, second, *, gone=(), sample=100, **plan):
    """`gone`: pairs of (how many rows of the first side came before, key)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Comparison(Plan(SCHEMA, **plan), Path(folder))) as comparison,
    ):
        given = 0
        for before, key in [*sorted(gone), (len(first), None)]:
            part = first[given:before]
            given = max(given, before)
            comparison.first.add(pa.Table.from_pylist(part, SCHEMA))
            if key is not None:
                comparison.first.delete(pa.table({"id": [key]}))
        for row in second:
            comparison.second.add(pa.Table.from_pylist([row], SCHEMA))
        return comparison.outcome(sample)


def newest(rows):
    kept = {}
    for row in rows:
        old = kept.get(row["id"])
        if old is None or _rank(row) >= _rank(old):
            kept[row["id"]] = row
    return kept


def _rank(row):
    return -1 if row["version"] is None else row["version"]


def plain(pairs, kind):
    """The rows of the pairs of one kind, without the mark of the engine."""
    return [
        tuple(
            None if side is None else tuple(side[name] for name in SCHEMA.names) for side in (pair.first, pair.second)
        )
        for pair in pairs
        if pair.kind == kind
    ]


def values(row):
    return tuple(row[name] for name in SCHEMA.names)


@settings(deadline=None, max_examples=60)
@given(ROWS, ROWS)
def test_by_key_the_newest_row_of_the_first_side_counts(first, second):
    left, right = newest(first), {row["id"]: row for row in reversed(second)}
    found = outcome(first, list(right.values()), key=("id",), version="version")
    assert (found.first, found.second) == (len(left), len(right))
    assert found.repeated in (0, len(first) - len(left)) or found.slices
    assert sorted(plain(found.pairs, "missing")) == sorted((values(left[k]), None) for k in left.keys() - right.keys())
    assert len(plain(found.pairs, "extra")) == found.extra == len(right.keys() - left.keys())
    both = {key for key in left.keys() & right.keys() if left[key] != right[key]}
    assert found.changed == len(both)
    changed = {pair[0][0]: pair for pair in plain(found.pairs, "changed")}
    assert changed == {key: (values(left[key]), values(right[key])) for key in both}
    assert (found.checksums[0] == found.checksums[1]) is (left == right)


@settings(deadline=None, max_examples=60)
@given(ROWS, ROWS)
def test_without_a_key_rows_are_counted(first, second):
    left, right = Counter(map(values, first)), Counter(map(values, second))
    found = outcome(first, second)
    assert (found.first, found.second, found.changed) == (len(first), len(second), 0)
    assert Counter(pair[0] for pair in plain(found.pairs, "missing")) == left - right
    assert Counter(pair[1] for pair in plain(found.pairs, "extra")) == right - left
    assert (found.checksums[0] == found.checksums[1]) is (left == right)


@settings(deadline=None, max_examples=30)
@given(ROWS, ROWS)
def test_what_only_the_second_side_has_is_no_difference_where_the_first_is_contained(first, second):
    left, right = Counter(map(values, first)), Counter(map(values, second))
    found = outcome(first, second, scope="contained")
    assert found.missing == sum((left - right).values())
    assert (found.extra, found.not_compared) == (0, sum((right - left).values()))
    assert not plain(found.pairs, "extra")


def row(key, label="a", version=None):
    return {"id": key, "label": label, "version": version}


def test_a_deleted_row_is_gone_and_may_come_again():
    first = [row(1), row(2), row(2, "again"), row(3)]
    gone = [(2, 1), (2, 2)]
    same = [row(2, "again"), row(3)]
    assert outcome(first, same, gone=gone, key=("id",)).missing == 0
    assert outcome(first, same, gone=gone, key=("id",)).extra == 0
    assert outcome(first, [row(1), *same], gone=gone, key=("id",)).extra == 1


def test_a_deleted_row_that_the_other_side_still_has_is_extra_though_the_sums_are_equal():
    found = outcome([row(1)], [row(1)], gone=[(1, 1)], key=("id",))
    assert (found.first, found.second, found.extra) == (0, 1, 1)


def test_a_key_twice_on_the_second_side_is_extra():
    found = outcome([row(1)], [row(1), row(1)], key=("id",))
    assert (found.missing, found.extra, found.changed) == (0, 1, 0)


def test_what_is_later_is_left_out_with_its_other_half():
    first = [row(1, "a", 1), row(2, "new", 9), row(3, "a", 8)]
    second = [row(1, "a", 1), row(2, "old", 1), row(4, "a", 7)]
    found = outcome(first, second, key=("id",), version="version", until=5)
    assert (found.missing, found.extra, found.changed) == (0, 0, 0)
    assert (found.first, found.second, found.later) == (1, 1, 4)


def test_rows_newer_than_the_whole_second_side_are_counted():
    first = [row(1, "a", 1), row(2, "a", 9), row(3, "b", 3)]
    second = [row(1, "b", 5), row(3, "c", 3)]
    found = outcome(first, second, key=("id",), version="version")
    assert (found.missing, found.changed, found.newer) == (1, 2, 1)


def test_only_so_many_of_each_kind_are_shown():
    found = outcome([row(key) for key in range(50)], [row(key) for key in range(25, 80)], key=("id",), sample=3)
    assert (found.missing, found.extra) == (25, 30)
    assert [pair[0][0] for pair in plain(found.pairs, "missing")] == [0, 1, 2]
    assert [pair[1][0] for pair in plain(found.pairs, "extra")] == [50, 51, 52]


def test_empty_sides_are_equal():
    found = outcome([], [], key=("id",))
    assert (found.first, found.second, found.slices) == (0, 0, 0)
