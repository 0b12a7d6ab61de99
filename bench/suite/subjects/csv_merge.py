"""A CSV file merged by key into a table that has the same orders, three in ten of them changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import data
from suite.contenders import BIEF, Contender, Subject, at_most, memory_at_most
from suite.measuring import Command, measured
from suite.server import execute
from suite.subjects.orders import copied, create_incoming, create_table, expected, merge_incoming, read_once, variables
from suite.surroundings import BIEF_SCHEMA, Surroundings

_ALL, _CHANGED, _ADBC = "COPY + ON CONFLICT", "COPY + ON CONFLICT, changed rows only", "ADBC + ON CONFLICT"
_COLUMNS = data.ORDER_COLUMNS


def csv_merge(around: Surroundings, rows: int) -> Subject:
    """Bief beside the merge by hand."""
    path = read_once(data.changed_orders(rows))
    return Subject(
        key="merge",
        title=f"CSV → PostgreSQL, {rows:,} rows merged into {rows:,}",
        rows=rows,
        limit=_ALL,
        intro="30 % of the rows differ. The first load is not timed. By hand: COPY into a temporary table, then "
        "INSERT … ON CONFLICT DO UPDATE; `changed rows only` has a WHERE that leaves equal rows alone.",
        contenders=[
            _by_hand(around, rows, path, _ALL, only_changed=False),
            _by_hand(around, rows, path, _CHANGED, only_changed=True),
            _by_adbc(around, rows, path),
            Contender(
                BIEF,
                around.bief("orders_merge", "run", "--json", **variables(path)),
                prepare=_loaded(around, rows),
                found=around.in_table(f"{BIEF_SCHEMA}.orders", _COLUMNS),
                expected=expected(rows, "changed"),
            ),
            _sling(around, rows),
        ],
        goals=[at_most(1.15, _ALL), at_most(1.15, _CHANGED), memory_at_most(300)],
    )


def _loaded(around: Surroundings, rows: int) -> Callable[[Path], None]:
    """Bief's own table, made by a first run of the same project."""
    first = around.bief("orders_merge", "run", "--json", **variables(data.orders(rows)))
    empty = around.emptied(BIEF_SCHEMA)

    def prepare(folder: Path) -> None:
        empty(folder)
        measured(first(folder))
        execute(around.url, f"ANALYZE {BIEF_SCHEMA}.orders", "CHECKPOINT")

    return prepare


def _table_by_hand(around: Surroundings, rows: int, schema: str) -> Callable[[Path], None]:
    path = data.orders(rows)
    statements = [*create_table(schema, ", PRIMARY KEY (id)"), copied(f"{schema}.orders", path)]
    return around.emptied(schema, then=[*statements, f"ANALYZE {schema}.orders"])


def _by_hand(around: Surroundings, rows: int, path: Path, name: str, *, only_changed: bool) -> Contender:
    merge = merge_incoming("bench_hand", only_changed=only_changed)
    return Contender(
        name,
        around.psql(["BEGIN", create_incoming(), copied("incoming", path), merge, "COMMIT"]),
        prepare=_table_by_hand(around, rows, "bench_hand"),
        found=around.in_table("bench_hand.orders", _COLUMNS),
        expected=expected(rows, "changed"),
        note="by hand, psql",
    )


def _by_adbc(around: Surroundings, rows: int, path: Path) -> Contender:
    merge = merge_incoming("bench_hand", only_changed=False)
    return Contender(
        _ADBC,
        around.script("adbc_merge", around.url, create_incoming(), merge, str(path)),
        prepare=_table_by_hand(around, rows, "bench_hand"),
        found=around.in_table("bench_hand.orders", _COLUMNS),
        expected=expected(rows, "changed"),
        note="by hand, Python",
    )


def _sling(around: Surroundings, rows: int) -> Contender:
    def command(path: Path) -> Callable[[Path], Command]:
        source = ("--src-stream", path.as_uri(), "--src-options", '{"empty_as_null": true}')
        target = ("--tgt-conn", "BENCH_PG", "--tgt-object", "bench_sling.orders", "--mode", "incremental")
        key = ("--primary-key", "id")
        return around.program("sling", "sling", "run", *source, *target, *key, BENCH_PG=f"{around.url}?sslmode=disable")

    empty = around.emptied("bench_sling")

    def prepare(folder: Path) -> None:
        empty(folder)
        measured(command(data.orders(rows))(folder))
        execute(around.url, "ANALYZE bench_sling.orders", "CHECKPOINT")

    return Contender(
        "sling",
        command(data.changed_orders(rows)),
        prepare=prepare,
        found=around.in_table("bench_sling.orders", _COLUMNS),
        expected=expected(rows, "changed"),
        absent=around.absent("sling"),
    )
