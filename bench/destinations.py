"""How fast the destinations take rows: `python bench/destinations.py [ROWS]`.

Prints seconds per kind and mode for one load of ROWS rows × 12 columns (default 100,000), the median of three. Merge
loads the same rows twice and shows the second load, which updates every row.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from places import PLACES, load, place_of, target
from postgres_server import fresh_database, server_url

from bief.batches.schema import BOOLEAN, DATE, FLOAT, INTEGER, TEXT, TIMESTAMP, type_named

ROUNDS = 3


def made(count: int) -> pa.Table:
    """Rows like those of an accounting API."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    numbers = range(count)
    columns = {
        "id": pa.array(numbers, INTEGER),
        "label": pa.array([f"invoice {number}" for number in numbers], TEXT),
        "customer": pa.array([f"customer {number % 977}" for number in numbers], TEXT),
        "currency": pa.array(["EUR"] * count, TEXT),
        "amount": pa.array([Decimal(number) / 100 for number in numbers], type_named("decimal(18,2)")),
        "tax": pa.array([Decimal(number) / 500 for number in numbers], type_named("decimal(18,3)")),
        "rate": pa.array([number / 7 for number in numbers], FLOAT),
        "paid": pa.array([number % 2 == 0 for number in numbers], BOOLEAN),
        "day": pa.array([(start + timedelta(days=number % 365)).date() for number in numbers], DATE),
        "created_at": pa.array([start + timedelta(seconds=number) for number in numbers], TIMESTAMP),
        "updated_at": pa.array([start + timedelta(seconds=2 * number) for number in numbers], TIMESTAMP),
        "lines": pa.array([number % 9 for number in numbers], INTEGER),
    }
    return pa.table(columns)


def measured(kind: str, url: str, rows: pa.Table, mode: str) -> float:
    """Seconds of the last load of a run."""
    with tempfile.TemporaryDirectory() as folder:
        place = place_of(kind, Path(folder), url)
        place.first.prepare()
        name = f"t{uuid.uuid4().hex[:8]}"
        loader = place.first.loader(target(mode, stream=name, table=name))
        if mode == "merge":
            loader.commit(load(rows, 0))
        each = load(rows, 1, complete=True, changes=[] if mode == "merge" else None)
        started = time.perf_counter()
        loader.commit(each)
        seconds = time.perf_counter() - started
        loader.close()
        place.close()
        return seconds


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = made(count)
    with tempfile.TemporaryDirectory(prefix="bief-pg-") as folder, fresh_database(server_url(Path(folder))) as url:
        for kind in PLACES:
            for mode in ("append", "merge", "replace", "history"):
                seconds = statistics.median(measured(kind, url, rows, mode) for _ in range(ROUNDS))
                print(f"{kind:10} {mode:8} {count:,} rows  {seconds:6.2f} s  {count / seconds:12,.0f} rows/s")


if __name__ == "__main__":
    main()
