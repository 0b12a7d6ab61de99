"""Whether the right rows arrived: their number, and a checksum that does not depend on their order.

The values of a row are written in one way, whatever types the contender chose for its table (`2024-01-31` as a date or
as a text is the same value; a null is `~`), hashed, and the hashes added up. PostgreSQL and DuckDB write the same
texts, so that tables, Parquet files and the query that generated the data can be compared with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_POSTGRES_HASH = "('x' || left(md5({0}), 15))::bit(60)::bigint::numeric"
_DUCKDB_HASH = "CAST('0x' || substr(md5({0}), 1, 15) AS BIGINT)"


@dataclass(frozen=True)
class Checksum:
    """How many rows there are, the sum of their hashes, and for each column how many characters its values have.

    The lengths say nothing that the hash does not say, but where two hashes differ they point at a column.
    """

    rows: int
    digest: int
    lengths: tuple[tuple[str, int], ...] = ()

    def difference_from(self, expected: Checksum) -> str:
        """What is wrong, in words; empty if nothing is."""
        if self.rows != expected.rows:
            return f"{self.rows:,} rows instead of {expected.rows:,}"
        if self.digest == expected.digest:
            return ""
        wrong = [name for name, length in self.lengths if dict(expected.lengths).get(name) != length]
        return f"other values{' in ' if wrong else ''}{', '.join(wrong)}"


def in_postgres(url: str, relation: str, columns: Mapping[str, str]) -> Checksum:
    """The checksum of a table or a subquery in PostgreSQL. `columns` gives the kind of each column."""
    with psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC") as connection:
        found = connection.execute(_query(relation, columns, _POSTGRES, _POSTGRES_HASH)).fetchone()
    return _read(found, columns)


def in_duckdb(relation: str, columns: Mapping[str, str], path: str = ":memory:") -> Checksum:
    """The same for DuckDB: a table of the file `path`, a subquery, or `read_parquet(…)`."""
    with duckdb.connect(path, read_only=path != ":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(_query(relation, columns, _DUCKDB, _DUCKDB_HASH)).fetchone()
    return _read(found, columns)


def _query(relation: str, columns: Mapping[str, str], writing: Mapping[str, str], hashing: str) -> str:
    texts = ", ".join(f"coalesce({writing[kind].format(name)}, '~') AS {name}" for name, kind in columns.items())
    lengths = ", ".join(f"sum(length({name}))" for name in columns)
    row = " || '|' || ".join(columns)
    return f"SELECT count(*), sum({hashing.format(row)}), {lengths} FROM (SELECT {texts} FROM {relation} t) texts"


def _read(found: Sequence, columns: Mapping[str, str]) -> Checksum:
    numbers = [int(number or 0) for number in found]
    return Checksum(numbers[0], numbers[1], tuple(zip(columns, numbers[2:], strict=True)))
