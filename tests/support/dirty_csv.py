"""A CSV file of customers with bad rows of ten kinds planted in it, and the truth about each.

`write` makes the same file from the same numbers. `Planted` says where a bad row stands, which rule it breaks, and what
its fields should have been.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = ("id", "name", "email", "status", "signed_up", "seen_at", "balance", "visits", "active", "code", "note")
# What is done to a good row, which rule it breaks, and in which column ("" for the whole record).
KINDS = {
    "short": ("too_few_fields", ""),
    "long": ("too_many_fields", ""),
    "word for a number": ("type", "visits"),
    "31st of February": ("type", "signed_up"),
    "too many digits": ("type", "balance"),
    "broken utf-8": ("encoding", ""),
    "no id": ("not_null_id", "id"),
    "unknown status": ("accepted_values_status", "status"),
    "negative visits": ("range_visits", "visits"),
    "no address": ("regex_email", "email"),
}
COLUMNS = """
        columns:
          {id: integer, signed_up: date, seen_at: timestamp, balance: "decimal(12,2)", visits: integer,
           active: boolean}"""
CHECKS = """
      customers:
        - not_null: [id]
        - accepted_values: {column: status, values: [new, paid, gone]}
        - range: {column: visits, min: 0, max: 1000000}
        - regex: {column: email, pattern: "^[^@ ]+@[^@ ]+$"}"""


@dataclass(frozen=True)
class Planted:
    line: int
    kind: str
    fields: tuple[str, ...]


def good_row(number: int) -> tuple[str, ...]:
    """The fields of row `number` as they should be."""
    return (
        str(number),
        f"Customer {number * 7919 % 100_003}",
        f"c{number}@example.org",
        ("new", "paid", "gone")[number % 3],
        f"20{number % 24:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        f"2026-01-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:00Z",
        f"{number % 9_000_000}.{number % 100:02}",
        str(number % 1000),
        "true" if number % 2 else "false",
        f"{number % 100_000:05}",
        f"a note, with a comma, on {number}" if number % 50 else f"first line\nsecond line of {number}",
    )


def write(file: Path, rows: int, bad: int, *, seed: int = 1) -> list[Planted]:
    """Write the file; gives the bad rows in the order of the file. `bad` 0 is the file as it should be."""
    chance = random.Random(seed)
    kinds = list(KINDS)
    places = {row: kinds[number % len(kinds)] for number, row in enumerate(chance.sample(range(rows), bad))}
    planted: list[Planted] = []
    with file.open("wb") as out:
        out.write((",".join(HEADER) + "\n").encode())
        line = 2
        for number in range(rows):
            fields = good_row(number)
            kind = places.get(number)
            if kind is not None:
                planted.append(Planted(line, kind, fields))
            text = _spoilt(fields, kind) if kind else _text(fields)
            out.write(text)
            line += text.count(b"\n")
    return planted


def _text(fields: tuple[str, ...]) -> bytes:
    return (",".join(f'"{field}"' if "," in field or "\n" in field else field for field in fields) + "\n").encode()


def _spoilt(fields: tuple[str, ...], kind: str) -> bytes:
    if kind == "short":
        return _text(fields[:7])
    if kind == "long":
        return _text((*fields, "surplus", "more of it"))
    if kind == "broken utf-8":
        return _text(fields).replace(b"Customer", b"Custom\xe9r", 1)
    column, value = {
        "word for a number": ("visits", "often"),
        "31st of February": ("signed_up", "2026-02-31"),
        "too many digits": ("balance", "1.005"),
        "no id": ("id", ""),
        "unknown status": ("status", "unknown"),
        "negative visits": ("visits", "-3"),
        "no address": ("email", "nowhere"),
    }[kind]
    place = HEADER.index(column)
    return _text((*fields[:place], value, *fields[place + 1 :]))


def corrections(planted: list[Planted], ids: dict[int, str]) -> Iterator[dict[str, object]]:
    """The edits that make the bad rows good, by the id that each has in the quarantine (by line)."""
    for bad in planted:
        yield {"id": ids[bad.line], "raw": dict(zip(HEADER, bad.fields, strict=True))}
