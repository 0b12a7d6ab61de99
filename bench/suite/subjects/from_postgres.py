"""A table of PostgreSQL into a DuckDB file, and into Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import data
from suite.checksums import Checksum, in_duckdb
from suite.contenders import BIEF, Contender, Subject, at_most, memory_at_most, times_faster
from suite.server import asked
from suite.subjects.orders import copied, create_table, expected
from suite.surroundings import Surroundings

_SOURCE = "bench_source"
_QUERY = f"SELECT * FROM {_SOURCE}.orders"
_COLUMNS = data.ORDER_COLUMNS
_HAND, _CONNECTORX = "ADBC by hand", "connectorx"


def postgres_to_duckdb(around: Surroundings, rows: int) -> Subject:
    """All peers."""
    return Subject(
        key="duckdb",
        title="PostgreSQL → DuckDB",
        rows=rows,
        limit=_HAND,
        intro="11 columns, numbers with two decimals. By hand: ADBC gives Arrow, DuckDB makes a table of it.",
        contenders=[*_duckdb_ours(around, rows), *_peers(around, rows, "duckdb")],
        goals=[at_most(1.15, _HAND), at_most(1.0, _CONNECTORX), times_faster(4.0, "sling"), memory_at_most(300)],
    )


def postgres_to_duckdb_growing(around: Surroundings, rows: int) -> Subject:
    """Bief and the limit only."""
    return Subject(key="duckdb", title="PostgreSQL → DuckDB", rows=rows, contenders=_duckdb_ours(around, rows))


def postgres_to_parquet(around: Surroundings, rows: int) -> Subject:
    """The peers; Bief cannot do it yet."""
    return Subject(
        key="parquet",
        title="PostgreSQL → Parquet",
        rows=rows,
        limit=_HAND,
        contenders=[_by_hand(around, rows, "parquet"), *_peers(around, rows, "parquet")],
        unmeasured=[f"{BIEF}: has no Parquet destination yet"],
        goals=[at_most(1.1, _HAND)],
    )


def _duckdb_ours(around: Surroundings, rows: int) -> list[Contender]:
    return [
        _by_hand(around, rows, "duckdb"),
        Contender(
            BIEF,
            around.bief("from_postgres", "run", "--json"),
            prepare=_source(around, rows),
            found=lambda folder: in_duckdb("orders", _COLUMNS, str(folder / "project" / "warehouse.duckdb")),
            expected=expected(rows),
        ),
    ]


def _by_hand(around: Surroundings, rows: int, kind: str) -> Contender:
    return Contender(
        _HAND,
        around.script("adbc_read", around.url, _QUERY, kind, "{folder}/orders"),
        prepare=_source(around, rows),
        found=_found(kind, "orders"),
        expected=expected(rows),
    )


def _peers(around: Surroundings, rows: int, kind: str) -> list[Contender]:
    source = ("--src-conn", "BENCH_PG", "--src-stream", f"{_SOURCE}.orders")
    sling_target = {
        "parquet": ("--tgt-object", "file://{folder}/orders"),
        "duckdb": ("--tgt-conn", "BENCH_DUCK", "--tgt-object", "main.orders"),
    }
    sling_options = ("--tgt-options", '{"format": "parquet"}') if kind == "parquet" else ()
    variables = {"BENCH_PG": f"{around.url}?sslmode=disable", "BENCH_DUCK": "duckdb://{folder}/orders"}
    return [
        Contender(
            _CONNECTORX,
            around.script("connectorx_read", around.url, _QUERY, kind, "{folder}/orders", peer="dlt"),
            prepare=_source(around, rows),
            found=_found(kind, "orders"),
            expected=expected(rows),
            absent=around.absent("dlt"),
        ),
        *(_dlt(around, rows, kind, backend) for backend in ("connectorx", "pyarrow")),
        Contender(
            "sling",
            around.program("sling", "sling", "run", *source, *sling_target[kind], *sling_options, **variables),
            prepare=_source(around, rows),
            found=_found(kind, "orders"),
            expected=expected(rows),
            absent=around.absent("sling"),
        ),
    ]


def _dlt(around: Surroundings, rows: int, kind: str, backend: str) -> Contender:
    return Contender(
        f"dlt, {backend}",
        around.script("dlt_postgres", around.url, _SOURCE, backend, kind, "{folder}/written", peer="dlt"),
        prepare=_source(around, rows),
        found=_found(kind, "written", table="bench_dlt.orders", pattern="/bench_dlt/orders/*.parquet"),
        expected=expected(rows),
        absent=around.absent("dlt"),
    )


def _found(kind: str, name: str, table: str = "orders", pattern: str = "") -> Callable[[Path], Checksum]:
    def found(folder: Path) -> Checksum:
        if kind == "duckdb":
            return in_duckdb(table, _COLUMNS, str(folder / name))
        return in_duckdb(f"read_parquet('{folder / name}{pattern}')", _COLUMNS)

    return found


def _source(around: Surroundings, rows: int) -> Callable[[Path], None]:
    """The table that is read: made by psql once for each size, kept for all contenders."""
    made = around.emptied(
        _SOURCE,
        then=[
            *create_table(_SOURCE, ", PRIMARY KEY (id)"),
            copied(f"{_SOURCE}.orders", data.orders(rows)),
            f"COMMENT ON TABLE {_SOURCE}.orders IS '{rows}'",
            f"VACUUM (ANALYZE) {_SOURCE}.orders",
        ],
    )

    def prepare(folder: Path) -> None:
        found = asked(around.url, f"SELECT obj_description(to_regclass('{_SOURCE}.orders'))")[0]
        if found != str(rows):
            made(folder)

    return prepare
