"""The SELECT of a read, checked by a database that runs it."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.schema import INTEGER, TEXT
from bief.sources.database.relations import Bound, Column, Range, Relation, Selection
from bief.sources.database.statements import Words, measure, select

A = Column("a", "integer", INTEGER, '"a"', '"a"')
B = Column("b", "text", TEXT, "\"b\" || '!'", '"b"')
U = Column("u", "integer", INTEGER, '"u"', '"u"')
CELLS = st.tuples(st.integers(0, 3), st.sampled_from("xyz"), st.none() | st.integers(0, 5))
KEYS = st.none() | st.tuples(st.sampled_from("0123"), st.sampled_from("xyz"))


def words(*, row_values):
    return Words(
        quote=lambda name: f'"{name}"',
        bound=lambda text, type_sql: f"CAST('{text}' AS {type_sql})",
        text=lambda sql: f"CAST({sql} AS text)",
        row_values=row_values,
    )


def selection(**options):
    return Selection(Relation("t", '"t"', (A, B, U), ("a", "b")), (A, B, U), (A, B), **options)


@pytest.mark.parametrize("row_values", [True, False])
@given(
    cells=st.lists(CELLS, max_size=8, unique_by=lambda cell: cell[:2]),
    span=st.builds(Range, KEYS, KEYS),
    low=st.none() | st.integers(0, 5),
    limit=st.none() | st.integers(0, 3),
)
def test_exactly_the_rows_of_a_range_come_in_the_order_of_the_key(row_values, cells, span, low, limit):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a integer, b text, u integer)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", cells)
    bound = None if low is None else Bound(U, str(low), "1")
    asked = selection(bound=bound, range=span, limit=limit)
    found = connection.execute(select(asked, words(row_values=row_values))).fetchall()

    def key(cell):
        return (str(cell[0]), cell[1])

    expected = [
        (a, f"{b}!", u, b)
        for a, b, u in sorted(cells)
        if (span.after is None or key((a, b)) > span.after)
        and (span.up_to is None or key((a, b)) <= span.up_to)
        and (low is None or (u is not None and u >= low - 1))
    ]
    assert found == expected[:limit]
    if limit is None and bound is not None:
        counted = connection.execute(measure(asked, U, words(row_values=row_values))).fetchone()
        assert counted[0] == len(expected)
    connection.close()


def test_a_column_that_shows_its_own_text_is_not_selected_twice():
    assert selection().key_texts == (B,)
    assert selection().shown(A) == 0
    assert Selection(selection().relation, (B,), (A,)).key_texts == (A,)
