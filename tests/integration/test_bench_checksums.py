"""The checksum of the benchmark is the same text by text in PostgreSQL and in DuckDB."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from postgres_server import execute

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import data
from suite.checksums import in_duckdb, in_postgres
from suite.server import asked

ROWS = 500


def test_postgres_and_duckdb_agree_on_every_kind_of_column_and_on_nulls(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    columns = {**data.ORDER_COLUMNS, "paid": "boolean", "score": "float"}
    more = "id % 2 = 0 AS paid, CASE WHEN id % 7 > 0 THEN id * 37.0 / 8 END AS score"
    expected = in_duckdb(f"(SELECT *, {more} FROM ({data.orders_query(ROWS)}))", columns)
    types = ", ".join(f"{name} {data.ORDER_TYPES[kind]}" for name, kind in data.ORDER_COLUMNS.items())
    execute(postgres_url, f"CREATE TABLE orders ({types})")
    copying = "COPY orders FROM STDIN WITH (FORMAT csv, HEADER true)"
    with psycopg.connect(postgres_url) as connection, connection.cursor().copy(copying) as copy:
        copy.write(data.orders(ROWS).read_bytes())
    assert asked(postgres_url, "SELECT count(*) FROM orders WHERE note IS NULL")[0] == ROWS // 3
    relation = f"(SELECT *, {more} FROM orders ORDER BY id DESC)"
    assert in_postgres(postgres_url, relation, columns).difference_from(expected) == ""
    execute(postgres_url, "UPDATE orders SET updated_at = updated_at + interval '1 second' WHERE id = 7")
    assert in_postgres(postgres_url, relation, columns).difference_from(expected).startswith("other values")
