"""The CSV reader alone, beside pyarrow's own: CPU and wall seconds, and the peak of memory. Prints a Markdown table.

    python bench/csv_reader.py [--rows 1000000 10000000] [--runs 3]

Each run is a process of its own. pyarrow reads texts here, with one thread, as blocks of the same size: what is above
its time is what it costs to be strict, to know the types of the whole file, and to know the line of a row.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv

BLOCK_BYTES = 4 * 2**20
COLUMNS = ("id", "customer_id", "name", "note", "ordered_on", "updated_at", "amount", "weight", "paid")
COLUMNS += ("discount", "code")
READERS = ("bief", "pyarrow")


def make_csv(path: Path, rows: int) -> None:
    """Write a file of 11 columns and about 147 bytes a row, the same for the same number of rows.

    Four names in ten hold a comma and stand in quotes; two discounts in three are empty.
    """
    query = f"""
SELECT
    i AS id,
    i * 7919 % 100000 AS customer_id,
    'customer ' || (i * 31 % 977) AS name,
    CASE WHEN i % 10 < 4 THEN 'delivered, as agreed, to the neighbour in the house number ' || (i * 17 % 90 + 10)
         ELSE 'a steel pump with its valve and filter' || ' on shelf number ' || (i * 13 % 9000 + 1000)
         END AS note,
    DATE '2020-01-01' + CAST(i * 7 % 2000 AS INTEGER) AS ordered_on,
    TIMESTAMP '2020-01-01' + to_seconds(i * 7919 % 170000000) AS updated_at,
    CAST(i * 7919 % 100000000 / 100 AS DECIMAL(18, 2)) AS amount,
    (i * 127 % 100000) / 1000 AS weight,
    i % 64 < 32 AS paid,
    CASE WHEN i % 3 = 0 THEN i * 3 % 50 END AS discount,
    lpad(CAST(i * 7919 % 100000 AS VARCHAR), 5, '0') AS code
FROM range({rows}) numbers(i)"""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER)")


def read_with_bief(path: Path) -> int:
    from bief.sources.files.csv.options import CsvOptions
    from bief.sources.files.csv.reader import CsvReader
    from bief.sources.files.reading import Content

    content = Content(path.name, str(path), lambda: path.open("rb", buffering=0), path)
    reader = CsvReader(CsvOptions(), {}, print, block_bytes=BLOCK_BYTES)
    return sum(chunk.rows.num_rows for chunk in reader.chunks(content))


def read_with_pyarrow(path: Path) -> int:
    options = {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    }
    with pyarrow.csv.open_csv(path, **options) as batches:
        return sum(batch.num_rows for batch in batches)


def measure_one(reader: str, path: Path) -> None:
    """In a process of its own: print rows, CPU seconds, wall seconds and peak memory in MB."""
    pa.scalar(0)  # imports what pyarrow looks for at its first value (pandas, if it is installed)
    pa.set_cpu_count(1)
    read = {"bief": read_with_bief, "pyarrow": read_with_pyarrow}[reader]
    began, began_cpu = time.monotonic(), time.process_time()
    rows = read(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(rows, time.process_time() - began_cpu, time.monotonic() - began, peak)


def measured(reader: str, path: Path, runs: int) -> str:
    outputs = []
    for _ in range(runs):
        command = [sys.executable, __file__, "--one", reader, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
        outputs.append([float(number) for number in done.stdout.split()])
    cpu, wall, peak = (statistics.median(column) for column in list(zip(*outputs, strict=True))[1:])
    return f"| {int(outputs[0][0]):,} | {reader} | {cpu:.2f} | {wall:.2f} | {peak:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        measure_one(asked.one[0], Path(asked.one[1]))
        return
    print("| rows | reader | CPU s | wall s | peak MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for rows in asked.rows:
            path = Path(folder) / f"{rows}.csv"
            make_csv(path, rows)
            for reader in READERS:
                print(measured(reader, path, asked.runs), flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
