"""What the guard costs on rows that are all good: shape, contract, key and checks, in batches. Asserts nothing.

Run it as `python bench/guard.py [rows] [rows in a batch]`.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.keys import last_per_key
from bief.batches.schema import DATE, INTEGER, TEXT, TIMESTAMP
from bief.batches.shaping import Shape, shape
from bief.config.checks import CheckOptions
from bief.guard.checks import Checks, checks_of
from bief.guard.contract import fit
from bief.guard.references import Own

MONEY = pa.decimal128(18, 2)
CHECKS = (
    {"not_null": ["id", "email", "amount"]},
    {"accepted_values": {"column": "status", "values": ["new", "paid"]}},
    {"range": {"column": "amount", "min": 0, "max": 1000}},
    {"range": {"column": "day", "min": "2024-01-01"}},
    {"regex": {"column": "email", "pattern": "^[^@]+@[^@]+$"}},
    {"unique": ["email"]},
    {"expression": "amount >= 0 OR status = 'new'"},
)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def batch(first: int, rows: int) -> pa.Table:
    numbers = range(first, first + rows)
    return pa.table(
        {
            "id": pa.array(numbers, INTEGER),
            "customer_id": pa.array([number % 5000 for number in numbers], INTEGER),
            "quantity": pa.array([number % 7 for number in numbers], INTEGER),
            "name": pa.array([f"Customer {number}" for number in numbers], TEXT),
            "email": pa.array([f"c{number}@example.org" for number in numbers], TEXT),
            "status": pa.array(["paid" if number % 3 else "new" for number in numbers], TEXT),
            "note": pa.array([None if number % 4 else "as agreed by telephone" for number in numbers], TEXT),
            "day": pa.array([date(2024, 1, 1 + number % 28) for number in numbers], DATE),
            "created_at": pa.array([FIRST + timedelta(seconds=number) for number in numbers], TIMESTAMP),
            "updated_at": pa.array([FIRST + timedelta(seconds=number + 60) for number in numbers], TIMESTAMP),
            "amount": pa.array([Decimal(number % 100_000) / 100 for number in numbers], MONEY),
            ROW_NUMBER: pa.array(range(rows), INTEGER),
        }
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    made = batch(0, size)
    batches = [made for _ in range(count // size)]
    known = made.drop_columns([ROW_NUMBER]).schema
    seconds: dict[str, float] = defaultdict(float)
    checks = {
        next(iter(check)): Checks(checks_of([CheckOptions.model_validate(check)]), Own("orders", ("id",)))
        for check in CHECKS
    }
    for each in batches:
        began = time.perf_counter()
        shaped = shape(each, Shape())
        seconds["shape"] += (after_shape := time.perf_counter()) - began
        fitted = fit(shaped, known, Shape(), ["id"])
        seconds["fit"] += (after_fit := time.perf_counter()) - after_shape
        last_per_key(fitted.rows, ["id"], "updated_at")
        seconds["last_per_key, one number"] += (after_key := time.perf_counter()) - after_fit
        last_per_key(fitted.rows, ["email"])
        seconds["last_per_key, one text"] += (after_text := time.perf_counter()) - after_key
        last_per_key(fitted.rows, ["id", "email"])
        seconds["last_per_key, two columns"] += time.perf_counter() - after_text
        for kind, check in checks.items():
            began = time.perf_counter()
            check.begin(Provenance())
            rows, bad = check.each_row(fitted.numbered, {}, None)
            rows, twice = check.among_rows(rows, {}, None)
            seconds[kind] += time.perf_counter() - began
            if bad or twice:
                raise SystemExit(f"{kind}: these rows are meant to be good")
    print(f"{count} rows of {made.num_columns - 1} columns in batches of {size}")
    for what, taken in seconds.items():
        print(f"{what:28} {taken:7.3f} s")


if __name__ == "__main__":
    main()
