"""The data of the benchmarks: the same on every machine, made once, kept in `.cache/bench/data`.

`python bench/data.py ROWS` makes all files of this size and prints where they are.

    orders        CSV, 11 columns, about 147 bytes a row: quoted commas, empty fields, accents
    changed       the same ids; three rows in ten have another status, amount and time of change
    broken        the same with one row in a thousand spoilt, in ten ways
    events        JSON lines of about 1 kB: objects three deep, lists of objects and of texts
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from page_server import record

FOLDER = Path(__file__).parent.parent / ".cache" / "bench" / "data"
# Part of the files' names: raise it with any change below.
VERSION = 1
SPOILT_EVERY = 1000
# Which of them: never one with a quoted name (every tenth), so that each is spoilt in one way only.
SPOILT_PLACE = 501
KINDS_OF_SPOILING = 10

ORDER_COLUMNS = {
    "id": "integer",
    "customer_id": "integer",
    "quantity": "integer",
    "name": "text",
    "email": "text",
    "status": "text",
    "note": "text",
    "day": "date",
    "created_at": "timestamp",
    "updated_at": "timestamp",
    "amount": "decimal",
}
ORDER_TYPES = {
    "integer": "bigint",
    "text": "text",
    "date": "date",
    "timestamp": "timestamptz",
    "decimal": "numeric(18,2)",
}
EVENT_COLUMNS = {
    "id": "integer",
    "kind": "text",
    "paid": "boolean",
    "score": "float",
    "created_at": "timestamp",
    "customer__id": "integer",
    "customer__name": "text",
    "customer__address__city": "text",
    "customer__address__geo__lat": "float",
    "line_count": "integer",
    "tag_count": "integer",
}

INVOICE_COLUMNS = {
    "id": "integer",
    "invoice_number": "text",
    "amount": "decimal",
    "tax": "decimal",
    "date": "date",
    "paid": "boolean",
    "customer__id": "integer",
    "customer__city": "text",
    "ratio": "float",
    "note": "text",
    "created_at": "timestamp",
}


def orders_query(rows: int, *, changed: bool = False) -> str:
    """The rows of `orders`, or of `changed`, as a query of DuckDB."""
    is_changed = f"({str(changed).lower()} AND i % 10 < 3)"
    return f"""
SELECT
    i AS id,
    i * 7919 % 50000 AS customer_id,
    i % 7 + 1 AS quantity,
    CASE WHEN i % 10 = 0 THEN 'Durand, Zoé ' ELSE 'Customer ' END || (i * 7919 % 50000) AS name,
    'customer' || (i * 7919 % 50000) || '@example.org' AS email,
    CASE WHEN {is_changed} THEN 'closed' ELSE ['new', 'paid', 'sent', 'returned'][i % 4 + 1] END AS status,
    CASE WHEN i % 3 > 0 THEN 'as agreed by telephone: see file ' || i % 1000 END AS note,
    DATE '2024-01-01' + CAST(i % 366 AS INTEGER) AS day,
    TIMESTAMP '2024-01-01' + to_seconds(i * 13 % 31000000) AS created_at,
    TIMESTAMP '2025-01-01' + to_seconds(i * 17 % 31000000 + CASE WHEN {is_changed} THEN 3600 ELSE 0 END) AS updated_at,
    CAST((i * 37 % 10000000 + CASE WHEN {is_changed} THEN 1 ELSE 0 END) / 100 AS DECIMAL(18, 2)) AS amount
FROM range(1, {rows} + 1) numbers(i)"""


def good_orders_query(rows: int) -> str:
    """The rows of `broken` that are not spoilt."""
    return f"SELECT * FROM ({orders_query(rows)}) WHERE id % {SPOILT_EVERY} <> {SPOILT_PLACE}"


def orders(rows: int) -> Path:
    """The CSV file of so many orders."""
    return _made(f"orders-{rows}.csv", lambda path: _write_csv(path, orders_query(rows)))


def changed_orders(rows: int) -> Path:
    """The same orders, three in ten changed."""
    return _made(f"changed-{rows}.csv", lambda path: _write_csv(path, orders_query(rows, changed=True)))


def broken_orders(rows: int) -> Path:
    """The same orders, one in a thousand spoilt."""
    return _made(f"broken-{rows}.csv", lambda path: _write_broken(path, orders(rows)))


def events(rows: int) -> Path:
    """JSON lines of so many nested records."""
    return _made(f"events-{rows}.jsonl", lambda path: _write_events(path, rows))


def events_query(rows: int) -> str:
    """What should stand in the columns `EVENT_COLUMNS` of a table of events, as a query of DuckDB."""
    return f"""
SELECT
    e.id, e.kind, e.paid, e.score, e.created_at, e.customer.id AS customer__id, e.customer.name AS customer__name,
    e.customer.address.city AS customer__address__city, e.customer.address.geo.lat AS customer__address__geo__lat,
    len(e.lines) AS line_count, len(e.tags) AS tag_count
FROM read_json('{events(rows)}', format = 'newline_delimited') e"""


def invoices_query(rows: int) -> str:
    """What should stand in the columns `INVOICE_COLUMNS` of a table of the records of the page server."""
    records = (json.dumps(record(number)) for number in range(1, rows + 1))
    path = _made(f"invoices-{rows}.jsonl", lambda part: part.write_text("\n".join(records), encoding="utf-8"))
    return f"""
SELECT *, i.customer.id AS customer__id, i.customer.city AS customer__city
FROM read_json('{path}', format = 'newline_delimited') i"""


def _made(name: str, write: Callable[[Path], None]) -> Path:
    """The file of this name, written now if it is not there; never half of it."""
    path = FOLDER / f"v{VERSION}" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{name}.{os.getpid()}.part")
        write(part)
        part.rename(path)
    return path


def _write_csv(path: Path, query: str) -> None:
    written = "'%Y-%m-%dT%H:%M:%SZ'"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER true, TIMESTAMPFORMAT {written})")


def _write_broken(path: Path, clean: Path) -> None:
    with clean.open("rb") as reading, path.open("wb") as writing:
        writing.write(reading.readline())
        for number, line in enumerate(reading, start=1):
            is_spoilt = number % SPOILT_EVERY == SPOILT_PLACE
            writing.write(_spoilt(line, number // SPOILT_EVERY % KINDS_OF_SPOILING) if is_spoilt else line)


def _spoilt(line: bytes, kind: int) -> bytes:
    """One row that must not be loaded."""
    fields = line.rstrip(b"\n").split(b",")
    number, customer, quantity, name = fields[:4]
    amount = fields[-1]
    spoilt = [
        lambda: [number, customer, b"many", *fields[3:]],
        lambda: [*fields[:-1], b"free of charge"],
        lambda: [*fields[:-4], b"2024-02-30", *fields[-3:]],
        lambda: [*fields[:-2], b"yesterday", amount],
        lambda: [*fields, b"surplus"],
        lambda: fields[:-1],
        lambda: [number, customer, quantity, b"Caf\xe9 \xff", *fields[4:]],
        lambda: [number, customer, quantity, b"nul\x00character", *fields[4:]],
        lambda: [number, customer, b"-" + quantity, name, *fields[4:]],
        lambda: [number, b"", quantity, name, *fields[4:]],
    ]
    return b",".join(spoilt[kind]()) + b"\n"


def _write_events(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            file.write(json.dumps(event(number), ensure_ascii=False, separators=(",", ":")) + "\n")


def event(number: int) -> dict:
    """One nested record of about 1 kB."""
    lines = [
        {"sku": f"SKU-{(number + place) % 900:05d}", "quantity": place + 1, "price": (number + place) % 9999 / 100,
         "options": {"colour": "dark green", "gift": place == 0}}
        for place in range(number % 4 + 1)
    ]  # fmt: skip
    return {
        "id": number,
        "kind": ("order", "return", "quote")[number % 3],
        "paid": number % 2 == 0,
        "score": number % 1013 / 8,
        "created_at": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}T08:{number % 60:02d}:00Z",
        "customer": {
            "id": number * 7919 % 50000,
            "name": f"Zoé Durand {number % 977}",
            "email": f"customer{number * 7919 % 50000}@example.org",
            "address": {
                "street": f"{number % 200} rue de la République",
                "city": ("Lyon", "Paris", "Nîmes")[number % 3],
                "geo": {"lat": 43 + number % 700 / 100, "lon": 2 + number % 500 / 100},
            },
        },
        "lines": lines,
        "tags": [f"tag {place}" for place in range(number % 3 + 1)],
        "source": {"channel": "web", "campaign": {"id": number % 40, "name": "spring in the south"}},
        "note": "delivered to the neighbour on the left; " * 9,
    }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for make in (orders, changed_orders, broken_orders, events):
        path = make(rows)
        print(f"{path}  {path.stat().st_size / rows:.0f} bytes a row")


if __name__ == "__main__":
    main()
