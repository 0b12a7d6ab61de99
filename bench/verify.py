"""How long a load and its verification take: `python bench/verify.py [ROWS] [postgres|sqlite|duckdb]...`.

A CSV file of ROWS rows × 11 columns (default 1,000,000) is loaded and verified by the command line, each in a process
of its own; then one cell of the table is changed by hand and the verification is done again. Prints seconds of the
whole process, those its processors were busy (without the server's), and its peak memory.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from postgres_server import execute, fresh_database, server_url

PROJECT = """\
project: bench
sources:
  files:
    type: files
    path: .
    streams:
      orders: {{files: ["orders.csv"], primary_key: id, columns: {{amount: "decimal(18,2)", tax: "decimal(18,2)"}}}}
destinations:
  warehouse: {destination}
pipelines:
  orders: {{source: files, destination: warehouse, mode: merge}}
"""
DESTINATIONS = {
    "postgres": "{type: postgres, url: '${URL}', schema: bench}",
    "sqlite": "{type: sqlite, path: bench.db}",
    "duckdb": "{type: duckdb, path: bench.duckdb}",
}


def write_rows(path: Path, count: int) -> None:
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,label,customer,currency,amount,tax,rate,paid,day,created_at,note\n")
        for number in range(count):
            day = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}"
            amount = chance.randrange(10_000_000)
            words = [
                str(number),
                f"invoice {number}",
                f"customer {number % 977}",
                "EUR",
                f"{amount // 100}.{amount % 100:02}",
                f"{amount // 500}.{amount % 97:02}",
                f"{chance.random():.6f}",
                str(number % 2 == 0),
                day,
                f"{day}T10:00:{number % 60:02}Z",
                f"note {number % 13}",
            ]
            file.write(f"{','.join(words)}\n")


def timed(what: str, folder: Path, url: str, code: int, *words: str) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bief", *words], cwd=folder, env={**os.environ, "URL": url}, stdout=subprocess.PIPE
    )
    output = process.stdout.read().decode() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != code:
        sys.exit(f"{what}: exit code {os.waitstatus_to_exitcode(status)}\n{output}")
    busy = used.ru_utime + used.ru_stime
    print(f"  {what:28} {seconds:6.2f} s   processor {busy:6.2f} s   peak {used.ru_maxrss / 1024:6.0f} MiB")
    return seconds


def change_by_hand(kind: str, folder: Path, url: str, count: int) -> None:
    sentence = f"UPDATE {{}}orders SET amount = amount + 0.01 WHERE id = {count // 2}"
    if kind == "postgres":
        execute(url, sentence.format("bench."))
    elif kind == "sqlite":
        import sqlite3

        with sqlite3.connect(folder / "bench.db") as connection:
            connection.execute(f"UPDATE orders SET label = 'changed' WHERE id = {count // 2}")
    else:
        import duckdb

        with duckdb.connect(str(folder / "bench.duckdb")) as connection:
            connection.execute(sentence.format(""))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    kinds = sys.argv[2:] or list(DESTINATIONS)
    with (
        tempfile.TemporaryDirectory(prefix="bief-bench-") as place,
        tempfile.TemporaryDirectory(prefix="bief-pg-") as pg,
    ):
        folder = Path(place)
        write_rows(folder / "orders.csv", count)
        with fresh_database(server_url(Path(pg))) as url:
            for kind in kinds:
                print(f"{kind}, {count:,} rows × 11 columns, {(folder / 'orders.csv').stat().st_size >> 20} MiB of CSV")
                text = PROJECT.format(destination=DESTINATIONS[kind])
                (folder / "bief.yaml").write_text(text, encoding="utf-8")
                timed("bief run", folder, url, 0, "run")
                timed("bief verify, equal", folder, url, 0, "verify", "orders")
                change_by_hand(kind, folder, url, count)
                timed("bief verify, one cell changed", folder, url, 1, "verify", "orders")


if __name__ == "__main__":
    main()
