"""A CSV file into a new table of PostgreSQL."""

from __future__ import annotations

import data
from suite.contenders import BIEF, Contender, Subject, at_most, memory_at_most, times_faster
from suite.subjects.orders import copied, create_table, expected, read_once, variables
from suite.surroundings import BIEF_SCHEMA, Surroundings

COPY, ADBC = "psql \\copy", "pyarrow + ADBC by hand"
_COLUMNS = data.ORDER_COLUMNS


def csv_new(around: Surroundings, rows: int) -> Subject:
    """All peers; the slow ones once."""
    return Subject(
        key="csv",
        title="CSV → PostgreSQL, new table",
        rows=rows,
        limit=COPY,
        intro=f"{data.orders(rows).stat().st_size / 1e6:.0f} MB, 11 columns. The limits are told the types; Bief is "
        "told nothing, checks `not_null` and `range`, and writes quarantine, ledger and receipt.",
        contenders=[*_ours(around, rows), *_peers(around, rows)],
        goals=[
            at_most(1.0, COPY),
            at_most(1.0, ADBC),
            times_faster(4.0, "sling"),
            memory_at_most(300),
        ],
    )


def csv_growing(around: Surroundings, rows: int) -> Subject:
    """Bief and the limits only."""
    return Subject(key="csv", title="CSV → PostgreSQL, new table", rows=rows, contenders=_ours(around, rows))


def bief_orders(around: Surroundings, rows: int) -> Contender:
    """Bief loads the clean file."""
    return Contender(
        BIEF,
        around.bief("orders", "run", "--json", **variables(data.orders(rows))),
        prepare=around.emptied(BIEF_SCHEMA),
        found=around.in_table(f"{BIEF_SCHEMA}.orders", _COLUMNS),
        expected=expected(rows),
        note="types inferred, checks, ledger, receipt",
    )


def _ours(around: Surroundings, rows: int) -> list[Contender]:
    path = read_once(data.orders(rows))
    create_schema, create = create_table("bench_hand")
    return [
        Contender(
            COPY,
            around.psql([create, copied("bench_hand.orders", path)]),
            prepare=around.emptied("bench_hand", then=[create_schema]),
            found=around.in_table("bench_hand.orders", _COLUMNS),
            expected=expected(rows),
            note="the limit: types declared by hand, nothing checked",
        ),
        Contender(
            ADBC,
            around.script("adbc_csv", around.url, "bench_hand", create, str(path)),
            prepare=around.emptied("bench_hand", then=[create_schema]),
            found=around.in_table("bench_hand.orders", _COLUMNS),
            expected=expected(rows),
            note="the limit in Python: a script of ten lines",
        ),
        bief_orders(around, rows),
    ]


def _peers(around: Surroundings, rows: int) -> list[Contender]:
    return [
        _sling(around, rows),
        _dlt(around, rows, "dlt, Arrow, CSV", "arrow-csv"),
        _dlt(around, rows, "dlt, Arrow, ADBC", "arrow-parquet"),
        _dlt(around, rows, "dlt, dicts", "dicts", most_runs=1),
        _ingestr(around, rows),
        Contender(
            "pandas.to_sql",
            around.script("pandas_csv", around.url, "bench_pandas", str(data.orders(rows)), peer="pandas"),
            prepare=around.emptied("bench_pandas"),
            found=around.in_table("bench_pandas.orders", _COLUMNS),
            expected=expected(rows),
            most_runs=1,
            absent=around.absent("pandas"),
        ),
    ]


def _sling(around: Surroundings, rows: int) -> Contender:
    source = ("--src-stream", data.orders(rows).as_uri(), "--src-options", '{"empty_as_null": true}')
    target = ("--tgt-conn", "BENCH_PG", "--tgt-object", "bench_sling.orders", "--mode", "full-refresh")
    return Contender(
        "sling",
        around.program("sling", "sling", "run", *source, *target, BENCH_PG=f"{around.url}?sslmode=disable"),
        prepare=around.emptied("bench_sling"),
        found=around.in_table("bench_sling.orders", _COLUMNS),
        expected=expected(rows),
        absent=around.absent("sling"),
    )


def _dlt(around: Surroundings, rows: int, name: str, how: str, most_runs: int | None = None) -> Contender:
    return Contender(
        name,
        around.script("dlt_csv", around.url, "bench_dlt", str(data.orders(rows)), how, peer="dlt"),
        prepare=around.emptied("bench_dlt", "bench_dlt_staging"),
        found=around.in_table("bench_dlt.orders", _COLUMNS),
        expected=expected(rows),
        most_runs=most_runs,
        absent=around.absent("dlt"),
    )


def _ingestr(around: Surroundings, rows: int) -> Contender:
    source = ("--source-uri", f"csv://{data.orders(rows)}", "--source-table", "orders")
    target = ("--dest-uri", around.url, "--dest-table", "bench_ingestr.orders")
    return Contender(
        "ingestr",
        around.program("ingestr", "ingestr", "ingest", *source, *target, "--yes", "--progress", "log"),
        prepare=around.emptied("bench_ingestr", "bench_ingestr_staging"),
        found=around.in_table("bench_ingestr.orders", _COLUMNS),
        expected=expected(rows),
        most_runs=1,
        absent=around.absent("ingestr"),
    )
