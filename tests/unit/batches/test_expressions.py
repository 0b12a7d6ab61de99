"""SQL expressions over rows: one expression, one truth value for each row, and no way out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from bief.batches.expressions import ExpressionError, Expressions, columns_of
from bief.batches.schema import JSON

ROWS = pa.table(
    {
        "amount": pa.array([Decimal("1.50"), None, Decimal("-2.00")], pa.decimal128(18, 2)),
        "kind": ["sale", "refund", "refund"],
        "moment": pa.array([datetime(2024, 1, 1, 23, 30, tzinfo=UTC)] * 3, pa.timestamp("us", tz="UTC")),
        "body": pa.array(['{"k": 1}', "[1]", None]).cast(JSON),
        "Odd Name": [1, 2, 3],
    }
)


@pytest.fixture
def expressions():
    made = Expressions()
    yield made
    made.close()
    made.close()


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("amount >= 0 OR kind = 'refund'", [True, True, True]),
        ("amount >= 0", [True, None, False]),
        ("AMOUNT >= 0 -- as they are", [True, None, False]),
        ('"Odd Name" BETWEEN 1 AND 2', [True, True, False]),
        ("moment::DATE = DATE '2024-01-01'", [True, True, True]),
        ("body->>'k' = '1'", [True, None, None]),
        ("regexp_matches(kind, '^re')", [False, True, True]),
        ("CASE WHEN kind = 'sale' THEN amount > 1 END", [True, None, None]),
        ("1 = 1", [True, True, True]),
    ],
)
def test_a_row_is_true_false_or_null(expressions, text, truth):
    columns_of(text)
    assert expressions.truth(text, ROWS).to_pylist() == truth


def test_an_order_of_many_rows_stays(expressions):
    many = pa.table({"a": list(range(300_000))})
    assert expressions.truth("a % 7 <> 3", many).to_pylist() == [number % 7 != 3 for number in range(300_000)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amount >",
        "1 = 1, 2 = 2",
        "1) , (2",
        "1 = 1); DROP TABLE x; SELECT (1",
        "1 = 1) FROM read_csv('/etc/passwd') AS t(a",
        "a IN (SELECT 1)",
        "EXISTS (FROM '/etc/passwd')",
        "rank() OVER () = 1",
        "COUNT(*) OVER (ORDER BY a) > 1",
        "$1 = a",
        "? = a",
        "rows.a = 1",
        "COLUMNS('a') = 1",
        "\x00",
    ],
)
def test_what_is_not_one_expression_over_one_row_is_refused(text):
    with pytest.raises(ExpressionError):
        columns_of(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("amonut > 0", 'Referenced column "amonut" not found'),
        ("kind::INTEGER > 0", "Could not convert string 'sale'"),
        ("amount", "gives values of type decimal128(18, 2), and not true or false"),
        ("bool_and(amount > 0)", "gives one value for all rows"),
        ("unnest([true, false])", "gives one value for all rows"),
        ("getenv('HOME') = 'x'", "cannot be computed"),
        ("read_text('/etc/passwd') IS NULL", "cannot be computed"),
    ],
)
def test_what_cannot_be_computed_is_said_in_a_sentence(expressions, text, words):
    with pytest.raises(ExpressionError) as caught:
        expressions.truth(text, ROWS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "bief_rows" not in str(caught.value)


def test_the_engine_is_locked_up(expressions):
    connection = expressions._connection.open()
    duckdb = expressions._connection.duckdb
    for statement in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "ATTACH '/tmp/other.db'",
        "COPY (SELECT 1) TO '/tmp/bief-out.csv'",
        "SELECT * FROM ROWS",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
