"""PostgreSQL → DuckDB: Bief against the same by hand. `python bench/postgres_source.py [ROWS] [ROUNDS]`.

ROWS (default 1,000,000) × 11 columns. Each is a process of its own, from its start to its end: `by hand` is ADBC's
record batches inserted into DuckDB in one transaction. `source` is Bief's source alone, in a process that keeps
nothing. Prints medians, ratios to `by hand`, the processor time of the process (which a busy machine does not change),
and its greatest memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from postgres_server import execute, fresh_database, server_url

ROWS = """
CREATE TABLE orders AS SELECT n::bigint AS id, (n % 977)::int AS customer_id, 'order ' || n AS label,
    'EUR' AS currency, (n / 100.0)::numeric(12,2) AS amount, (n % 7) / 7.0::float8 AS rate, n % 2 = 0 AS paid,
    date '2024-01-01' + n % 365 AS day, timestamptz '2024-01-01' + n * interval '1 s' AS created_at,
    timestamptz '2024-01-01' + n * interval '2 s' AS updated_at, md5(n::text) AS note
FROM generate_series(1, {rows}) AS n"""
BY_HAND = """
import sys, duckdb, adbc_driver_postgresql, adbc_driver_manager, pyarrow as pa
database = adbc_driver_postgresql.connect(sys.argv[1])
connection = adbc_driver_manager.AdbcConnection(database)
statement = adbc_driver_manager.AdbcStatement(connection)
statement.set_sql_query("SELECT id, customer_id, label, currency, amount::text AS amount, rate, paid, day, created_at,"
    " updated_at, note FROM orders")
handle, _ = statement.execute_query()
batches = pa.RecordBatchReader.from_stream(handle)
target = duckdb.connect(sys.argv[2])
target.execute("CREATE TABLE orders AS SELECT * REPLACE (amount::DECIMAL(12, 2) AS amount) FROM batches")
target.close()
"""
SOURCE = """
import sys
from pathlib import Path
from bief.ports.runtime import Runtime
from bief.sources.database.postgres import PostgresOptions, PostgresSource
source = PostgresSource("shop", PostgresOptions(url=sys.argv[1], streams={"orders": {}}), Runtime(folder=Path()))
assert sum(batch.read for batch in source.read("orders", None)) > 0
"""
PROJECT = """
project: bench
sources:
  shop: {type: postgres, url: "URL", streams: {orders: {primary_key: id}}}
destinations:
  warehouse: {type: duckdb, path: warehouse.duckdb}
pipelines:
  orders: {source: shop, destination: warehouse, mode: replace}
"""


@dataclass
class Measured:
    """Seconds on the clock, seconds of processor time, MB."""

    seconds: float
    busy: float
    memory: float


def measured(command: list[str], folder: Path) -> Measured:
    """One process from start to end."""
    began = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:4]} ended with {process.returncode}")
    return Measured(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def one(kind: str, url: str) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "bief":
            (folder / "bief.yaml").write_text(PROJECT.replace("URL", url))
            return measured([sys.executable, "-m", "bief", "run", "--json"], folder)
        script = {"by hand": BY_HAND, "source": SOURCE}[kind]
        return measured([sys.executable, "-c", script, url, "target.duckdb"], folder)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="bief-b-") as folder, fresh_database(server_url(Path(folder))) as url:
        # Once with few rows, so that the modules of all three are compiled.
        execute(url, ROWS.format(rows=10))
        found: dict[str, list[Measured]] = {kind: [] for kind in ("by hand", "source", "bief")}
        for kind in found:
            one(kind, url)
        execute(
            url,
            "DROP TABLE orders",
            ROWS.format(rows=rows),
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "VACUUM ANALYZE orders",
        )
        for _ in range(rounds):
            # One after the other in each round, so that a busy moment of the machine hits all of them.
            for kind, results in found.items():
                results.append(one(kind, url))
    limit = statistics.median(each.seconds for each in found["by hand"])
    busy_limit = statistics.median(each.busy for each in found["by hand"])
    print(f"{rows:,} rows × 11 columns, median of {rounds}; × by hand")
    for kind, results in found.items():
        seconds = statistics.median(each.seconds for each in results)
        busy = statistics.median(each.busy for each in results)
        shown = f"{seconds:7.2f} s {seconds / limit:5.2f} ×, processor {busy:6.2f} s {busy / busy_limit:5.2f} ×"
        print(f"{kind:8} {shown} {max(each.memory for each in results):6.0f} MB")


if __name__ == "__main__":
    main()
