"""How fast JSON records become rows that fit a table. Prints rows per second; asserts nothing.

Run it as `python bench/rows.py [records]`.
"""

from __future__ import annotations

import json
import random
import sys
import time

from bief.batches.keys import last_per_key
from bief.batches.rows import RecordReader
from bief.batches.schema import type_named
from bief.batches.shaping import ColumnRule, Shape, deduplicate_rows, shape
from bief.guard.contract import fit


def record(number: int, chance: random.Random) -> bytes:
    day = f"{number % 28 + 1:02}"
    made = {
        "id": number,
        "name": f"Customer {number}",
        "email": f"c{number}@example.org",
        "amount": f"{chance.randrange(10000)}.{chance.randrange(100):02}",
        "balance": round(chance.random() * 1000, 2),
        "active": True,
        "created_at": f"2024-01-{day}T10:00:00Z",
        "updated_at": f"2024-02-{day}T10:00:00Z",
        "address": {"street": "12 rue de la Paix", "city": "Paris", "geo": {"lat": 48.85, "lng": 2.35}},
        "tags": ["a", "b", "c"],
        "lines": [{"sku": "X1", "qty": 2}, {"sku": "Y", "qty": 1, "note": "x"}],
        "note": "x" * 150,
        "phone": None,
    }
    return json.dumps(made, separators=(",", ":")).encode()


def timed(what: str, rows: int, work):
    began = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - began
    print(f"{what:34} {seconds:7.3f} s {rows / seconds:12,.0f} rows/s")
    return outcome


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    chance = random.Random(1)
    records = [record(number, chance) for number in range(count)]
    print(f"{count} records of {sum(map(len, records)) / count:.0f} bytes")
    reader = RecordReader()
    timed("read, first batch", count, lambda: reader.read(records, str))
    read = timed("read, later batch", count, lambda: reader.read(records, str))
    money = RecordReader({"balance": type_named("decimal(18,2)")})
    money.read(records, str)
    timed("read, with a declared decimal", count, lambda: money.read(records, str))
    timed("read, strict way", count, lambda: RecordReader().read([*records[:-1], b'{"id":"x"}'], str))
    plain = Shape(columns={"amount": ColumnRule(type=type_named("decimal(18,2)"))})
    shaped = timed("shape", count, lambda: shape(read.rows, plain))
    hashing = Shape(trim=True, columns={"email": ColumnRule(hash=True)})
    timed("shape, with trim and one hash", count, lambda: shape(read.rows, hashing))
    timed("deduplicate_rows", count, lambda: deduplicate_rows(shaped))
    fitted = timed("fit, new table", count, lambda: fit(shaped, None, plain, ["id"]))
    timed("fit, known table", count, lambda: fit(shaped, fitted.rows.schema, plain, ["id"]))
    timed("last_per_key", count, lambda: last_per_key(fitted.rows, ["id"], "updated_at"))


if __name__ == "__main__":
    main()
