"""`unique` and `relationship` over several batches, against a naive oracle that looks at one row after the other.

DuckDB and SQLite answer the look-ups here; PostgreSQL does in `test_checks_everywhere`.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from checked_runs import CheckedRuns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import place_of

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Few values, so that they meet.
CODES = st.sampled_from(["a", "b", "c", "d", None])
FIRST = [{"id": 0, "code": "x", "part": 0}]
ROWS = st.lists(st.tuples(st.integers(1, 6), CODES, st.integers(1, 3)), max_size=8)
BATCHES = st.lists(ROWS, min_size=1, max_size=4)


@contextlib.contextmanager
def fresh(kind="sqlite"):
    with tempfile.TemporaryDirectory() as folder:
        place = place_of(kind, Path(folder))
        place.first.prepare()
        try:
            yield CheckedRuns(place, Path(folder))
        finally:
            place.close()


def rows_of(batch):
    return [{"id": number, "code": code, "part": part} for number, code, part in batch]


def after(runs, table):
    """The rows of a table by their ids, in the order of the table's columns."""
    return {row["id"]: tuple(row.values()) for row in runs.place.all(table)}


@SLOW
@given(BATCHES, st.sampled_from(["sqlite", "duckdb"]))
def test_in_append_mode_the_first_row_with_a_value_stays(batches, kind):
    seen, expected = {"x"}, [(0, "x", 0)]
    for row in (row for batch in batches for row in batch):
        if row[1] is None or row[1] not in seen:
            expected.append(row)
            seen.add(row[1])
    with fresh(kind) as runs:
        runs.land("things", [FIRST, *map(rows_of, batches)], {"unique": ["code"]}, mode="append", key=())
        found = [(row["id"], row["code"], row["part"]) for row in runs.place.all("things")]
    assert Counter(found) == Counter(expected)


@SLOW
@given(BATCHES)
def test_a_combination_is_unique_as_a_whole(batches):
    seen, expected = set(), [(0, "x", 0)]
    for row in (row for batch in batches for row in batch if all(row[1] for row in batch)):
        if row[1:] not in seen:
            expected.append(row)
            seen.add(row[1:])
    whole = [batch for batch in batches if all(row[1] for row in batch)]
    with fresh() as runs:
        runs.land("things", [FIRST, *map(rows_of, whole)], {"unique": ["code", "part"]}, mode="append", key=())
        found = [(row["id"], row["code"], row["part"]) for row in runs.place.all("things")]
    assert Counter(found) == Counter(expected)


def merged(table, batch):
    """What a batch makes of a table in merge mode: the last row of each key, then every row that repeats the code of
    another row, of the batch or of the table as the batch leaves it, is refused. Who has a code keeps it."""
    last = {row[0]: row for row in batch}
    rows = [row for row in batch if last[row[0]] is row]
    refused = set()
    while True:
        accepted = {row[0] for row in rows} - refused
        taken = {row[1]: row[0] for row in table.values() if row[0] not in accepted and row[1] is not None}
        before = len(refused)
        kept = {row[0] for row in rows if row[1] is not None and table.get(row[0], row[:1])[1:2] == row[1:2]}
        taken |= {table[key][1]: key for key in kept}
        for row in rows:
            if row[0] in refused | kept or row[1] is None:
                continue
            if taken.get(row[1], row[0]) != row[0]:
                refused.add(row[0])
            else:
                taken[row[1]] = row[0]
        if len(refused) == before:
            return table | {row[0]: row for row in rows if row[0] not in refused}


@SLOW
@given(BATCHES)
def test_in_merge_mode_the_table_is_unique_after_every_load(batches):
    table = {0: (0, "x", 0)}
    for batch in batches:
        table = merged(table, batch)
    with fresh() as runs:
        runs.land("things", [FIRST, *map(rows_of, batches)], {"unique": ["code"]})
        found = after(runs, "things")
    assert found == table
    codes = [row[1] for row in found.values() if row[1] is not None]
    assert len(codes) == len(set(codes))


def test_two_rows_can_exchange_their_values_in_one_batch_and_a_chain_of_refusals_ends():
    with fresh() as runs:
        start = [{"id": number, "code": code} for number, code in ((1, "a"), (2, "b"), (3, "c"))]
        runs.load("things", start, {"unique": ["code"]})
        swapped = [{"id": 1, "code": "b"}, {"id": 2, "code": "a"}]
        assert runs.load("things", swapped, {"unique": ["code"]}).total("rejected") == 0
        # 2 cannot have c, so it keeps a, so 1 cannot have a and keeps b.
        chain = [{"id": 1, "code": "a"}, {"id": 2, "code": "c"}, {"id": 4, "code": "d"}]
        assert runs.load("things", chain, {"unique": ["code"]}).total("rejected") == 2
        assert after(runs, "things") == {1: (1, "b"), 2: (2, "a"), 3: (3, "c"), 4: (4, "d")}


def test_versions_of_one_row_may_repeat_its_values_in_append_mode():
    with fresh() as runs:
        for number, version in ((1, 1), (1, 2), (1, 3), (2, 1)):
            rows = [{"id": number, "code": "a", "version": version}, {"id": 10 * version, "code": None, "version": 0}]
            runs.load("things", rows, {"unique": ["code"]}, mode="append", cursor="version")
        named = [(row["id"], row["version"]) for row in runs.place.all("things", "version") if row["code"]]
        assert named == [(1, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize("mode", ["merge", "history", "replace"])
def test_the_primary_key_is_unique_by_itself(mode):
    with fresh() as runs:
        for _ in range(2):
            receipt = runs.load("things", [{"id": 1}, {"id": 1}, {"id": 2}], {"unique": ["id"]}, mode=mode)
            assert receipt.steps[0].checks[0].rows_failed == 0
        assert set(runs.ids("things")) == {1, 2}


LINKS = st.lists(st.tuples(st.integers(1, 6), st.one_of(st.none(), st.integers(1, 7))), max_size=8)


@SLOW
@given(st.lists(LINKS, min_size=1, max_size=3))
def test_a_row_needs_its_parent_in_the_table_or_in_a_row_that_stays(batches):
    table = {0: None}
    for batch in batches:
        rows = list({number: (number, parent) for number, parent in batch}.items())
        stay = [row for _, row in rows]
        while True:
            there = {*table, *(number for number, _ in stay)}
            less = [(number, parent) for number, parent in stay if parent is None or parent in there]
            if len(less) == len(stay):
                break
            stay = less
        table |= dict(stay)
    with fresh() as runs:
        check = {"relationship": {"column": "parent", "to": "nodes.id"}}
        unique = [{row[0]: row for row in batch}.values() for batch in batches]
        rows = [[{"id": number, "parent": parent} for number, parent in batch] for batch in unique]
        runs.land("nodes", [[{"id": 0, "parent": 0}], *rows], check)
        found = {row["id"]: row["parent"] for row in runs.place.all("nodes")}
    assert found | {0: None} == table
