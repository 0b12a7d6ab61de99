"""The table of orders as SQL, and what should stand in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import data
from suite.checksums import Checksum, in_duckdb

_COLUMNS = ", ".join(f"{name} {data.ORDER_TYPES[kind]}" for name, kind in data.ORDER_COLUMNS.items())


def create_table(schema: str, key: str = "") -> tuple[str, str]:
    """Statements that make the table `orders` with the types that a careful person would choose."""
    return f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.orders ({_COLUMNS}{key})"


def copied(relation: str, path: Path) -> str:
    """The command of psql that copies a CSV file."""
    return f"\\copy {relation} FROM '{path}' WITH (FORMAT csv, HEADER true)"


def create_incoming() -> str:
    """The temporary table of a merge by hand."""
    return f"CREATE TEMPORARY TABLE incoming ({_COLUMNS})"


def merge_incoming(schema: str, *, only_changed: bool) -> str:
    """The merge by hand; `only_changed` leaves rows alone that are equal already."""
    names = [name for name in data.ORDER_COLUMNS if name != "id"]
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
    ours, theirs = (", ".join(f"{alias}.{name}" for name in names) for alias in ("o", "EXCLUDED"))
    where = f" WHERE ({ours}) IS DISTINCT FROM ({theirs})" if only_changed else ""
    return f"INSERT INTO {schema}.orders AS o SELECT * FROM incoming ON CONFLICT (id) DO UPDATE SET {updates}{where}"


@cache
def expected(rows: int, which: str = "orders") -> Checksum:
    """What a right table holds: computed from the query that generates the data, not from a file or a load."""
    queries = {
        "orders": data.orders_query,
        "changed": lambda count: data.orders_query(count, changed=True),
        "good": data.good_orders_query,
    }
    return in_duckdb(f"({queries[which](rows)})", data.ORDER_COLUMNS)


def read_once(path: Path) -> Path:
    """The same path; its content is in the memory of the machine from now on, for whoever comes first."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    return path


def variables(path: Path) -> dict[str, str]:
    """What the projects of `bench/projects` ask for: the folder of a file and its name."""
    return {"BENCH_FOLDER": str(path.parent), "BENCH_FILE": path.name}
