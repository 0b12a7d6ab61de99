"""Whether the right rows arrived: their number, and a checksum that does not depend on their order.

The values of a row are written in one way, whatever types the contender chose for its table (`2024-01-31` as a date or
as a text is the same value), hashed, and the hashes added up. The same text is made by PostgreSQL and by DuckDB, so
that tables, Parquet files and the query that generated the data can be compared with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import psycopg

_POSTGRES = {
    "integer": "({0})::numeric(38,0)::text",
    "decimal": "({0})::numeric(18,2)::text",
    "float": "round(({0})::float8 * 1000000)::numeric(38,0)::text",
    "text": "({0})::text",
    "boolean": "CASE WHEN ({0})::boolean THEN '1' ELSE '0' END",
    "date": "({0})::date::text",
    "timestamp": "(extract(epoch FROM ({0})::timestamptz) * 1000000)::numeric(38,0)::text",
}
_DUCKDB = {
    "integer": "CAST(CAST(({0}) AS DECIMAL(38,0)) AS VARCHAR)",
    "decimal": "CAST(CAST(({0}) AS DECIMAL(18,2)) AS VARCHAR)",
    "float": "CAST(CAST(round(CAST(({0}) AS DOUBLE) * 1000000) AS DECIMAL(38,0)) AS VARCHAR)",
    "text": "CAST(({0}) AS VARCHAR)",
    "boolean": "CASE WHEN CAST(({0}) AS BOOLEAN) THEN '1' ELSE '0' END",
    "date": "CAST(CAST(({0}) AS DATE) AS VARCHAR)",
    "timestamp": "CAST(epoch_us(CAST(({0}) AS TIMESTAMPTZ)) AS VARCHAR)",
}
_POSTGRES_SUM = "SELECT count(*), sum(('x' || left(md5({0}), 15))::bit(60)::bigint::numeric) FROM {1} t"
_DUCKDB_SUM = "SELECT count(*), sum(CAST('0x' || substr(md5({0}), 1, 15) AS BIGINT)) FROM {1} t"


@dataclass(frozen=True)
class Checksum:
    """How many rows there are, and the sum of their hashes."""

    rows: int
    digest: int


def in_postgres(url: str, relation: str, columns: Mapping[str, str]) -> Checksum:
    """The checksum of a table or a subquery in PostgreSQL. `columns` gives the kind of each expression."""
    with psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC") as connection:
        found = connection.execute(_POSTGRES_SUM.format(_row_text(columns, _POSTGRES), relation)).fetchone()
    return Checksum(found[0], int(found[1] or 0))


def in_duckdb(relation: str, columns: Mapping[str, str], path: str = ":memory:") -> Checksum:
    """The same for DuckDB: a table of the file `path`, a subquery, or `read_parquet(…)`."""
    with duckdb.connect(path, read_only=path != ":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(_DUCKDB_SUM.format(_row_text(columns, _DUCKDB), relation)).fetchone()
    return Checksum(found[0], int(found[1] or 0))


def _row_text(columns: Mapping[str, str], writing: Mapping[str, str]) -> str:
    """The values of a row as one text; a null is `~`, which no value of our data is."""
    return " || '|' || ".join(f"coalesce({writing[kind].format(name)}, '~')" for name, kind in columns.items())
