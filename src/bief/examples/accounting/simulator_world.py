"""The company behind the simulator: its records, and what changes in them from day to day.

All of it is a pure function of (seed, records, day): the same three numbers give the same bytes on every machine.
Only the wall time at which a day began (`began`, kept in the state file) comes from outside; the changelog is
stamped with it, so that "what changed since my last read" has an answer that fits the client's own clock.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any

# How many of each 10,000 records a stream has: 100 pages of 100.
SHARES = {
    "customer_invoices": 1500,
    "supplier_invoices": 1000,
    "customers": 1000,
    "suppliers": 400,
    "transactions": 2500,
    "journals": 100,
    "ledger_accounts": 300,
    "ledger_entries": 2800,
    "categories": 100,
    "products": 200,
    "bank_accounts": 100,
}
FIRST_DAY = date(2025, 1, 1)
MAX_CACHED_RECORDS = 300_000
_AS_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

_FIRST, _LAST, _CITIES, _GOODS = (
    words.split("|")
    for words in (
        "Alma|Boulangerie|Café|Crêperie|Łódź|Šárka|Søren|株式会社|Maison|Zoë's|Nørre|Ünal|Garage|Océane",
        "du Port & Fils|Dupont|Zürich AG|Kōtei|«Le Pré»|d'Été|Ελλάς|Ñandú ☕|Brothers Ltd|et Cie",
        "Paris|Lyon|Besançon|Orléans|Nîmes|Saint-Étienne|Bruxelles|Liège|Genève|Málaga",
        "Conseil|Café en grains 1 kg|Maintenance annuelle|Licence «Pro»|Livraison|Reliure|Œufs, 12 pièces",
    )
)


class Dice:
    """Numbers that look random and depend on nothing but the words they are made from."""

    def __init__(self, *words: object) -> None:
        self._bits = int.from_bytes(blake2b("/".join(map(str, words)).encode()).digest(), "big")

    def roll(self, sides: int) -> int:
        """A number from 0 to `sides` - 1."""
        self._bits, face = divmod(self._bits, sides)
        return face

    def pick(self, faces: list[str]) -> str:
        return faces[self.roll(len(faces))]


def money(cents: int) -> str:
    """Cents as text, the way the API writes amounts: 23032 is "230.32"."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@dataclass(frozen=True)
class Change:
    """One line of the changelog."""

    id: int
    operation: str
    processed_at: datetime


class Stream:
    """All records of one kind on one day, and the changes of the days before."""

    def __init__(self, world: World, name: str, count: int) -> None:
        self.world = world
        self.name = name
        self.count = count
        self.ids = list(range(1, count + 1))
        self.day_of = dict.fromkeys(self.ids, 0)
        self.changes: list[Change] = []
        self._next_id = count + 1
        self._rendered: dict[int, bytes] = {}

    def advance(self, day: int, began: datetime) -> None:
        """Live through one day: about 2 % of the records are updated, 1 % come, 0.5 % go."""
        chance = random.Random(f"{self.world.seed}/{self.name}/{day}")
        gone = chance.sample(self.ids, self.count // 200)
        stay = sorted(set(self.ids).difference(gone))
        updated = chance.sample(stay, min(len(stay), max(1, self.count // 50)))
        new = list(range(self._next_id, self._next_id + max(1, self.count // 100)))
        self._next_id = new[-1] + 1
        self.ids = stay + new
        for each in gone:
            del self.day_of[each]
        self.day_of.update(dict.fromkeys([*updated, *new], day))
        changes = [(each, "insert") for each in new] + [(each, "update") for each in updated]
        changes += [(each, "delete") for each in gone]
        chance.shuffle(changes)
        for place, (each, operation) in enumerate(changes):
            self.changes.append(Change(each, operation, began + timedelta(microseconds=place)))

    def record(self, number: int) -> dict[str, Any]:
        """The record with this id, as it is today."""
        day = self.day_of[number]
        record = _MAKERS[self.name](self.world, number, Dice(self.world.seed, self.name, number, day))
        if number <= self.world.bad.get(self.name, 0):
            record["amount"] = "n/a"
        created = FIRST_DAY - timedelta(days=1 + number % 700)
        record["created_at"] = f"{created}T08:{number % 60:02d}:00.000000Z"
        record["updated_at"] = f"{FIRST_DAY + timedelta(days=day)}T{9 + number % 9:02d}:30:00.{number % 1000000:06d}Z"
        return record

    def rendered(self, number: int) -> bytes:
        """The record as JSON, remembered, because pages are read again and again."""
        found = self._rendered.get(number)
        if found is None:
            found = _AS_JSON(self.record(number)).encode()
            if len(self._rendered) < MAX_CACHED_RECORDS:
                self._rendered[number] = found
        return found


class World:
    """Every stream on the day `len(began)`; `began[0]` is the wall time at which day 1 began.

    `bad` names streams whose first records have an amount that is no number, to see what becomes of such rows.
    """

    def __init__(self, seed: int, records: int, began: list[datetime], bad: dict[str, int] | None = None) -> None:
        self.seed = seed
        self.bad = bad or {}
        counts = {name: max(1, records * share // 10_000) for name, share in SHARES.items()}
        counts["ledger_entries"] = max(1, records - sum(counts.values()) + counts["ledger_entries"])
        self.streams = {name: Stream(self, name, count) for name, count in counts.items()}
        for day, began_at in enumerate(began, start=1):
            for stream in self.streams.values():
                stream.advance(day, began_at)

    def some(self, stream: str, dice: Dice) -> int:
        """The id of some record of another stream, as it was on the first day."""
        return 1 + dice.roll(self.streams[stream].count)

    def company(self, stream: str, number: int) -> str:
        """The name of a customer or supplier; one in ten has been typed with spaces around it."""
        dice = Dice(self.seed, stream, number)
        name = f"{dice.pick(_FIRST)} {dice.pick(_LAST)} {number}"
        return f"  {name} " if dice.roll(10) == 0 else name


def _company(world: World, stream: str, number: int, dice: Dice) -> dict[str, Any]:
    email = None if dice.roll(8) == 0 else f"contact{number}@{dice.pick(_CITIES).lower()}.example"
    return {
        "id": number,
        "name": world.company(stream, number),
        "email": email,
        "phone": f"+33 1 {dice.roll(90) + 10} {dice.roll(90) + 10} {dice.roll(90) + 10} {dice.roll(90) + 10}",
        "vat_number": f"FR{dice.roll(90) + 10}{100_000_000 + number}",
        "address": {
            "street": f"{1 + dice.roll(200)} rue de l'Écluse",
            "postal_code": f"{dice.roll(95_000) + 1_000:05d}",
            "city": dice.pick(_CITIES),
            "country_alpha2": "FR",
        },
        "tags": [f"tag-{dice.roll(9)}" for _ in range(dice.roll(3))],
    }


def _customer(world: World, number: int, dice: Dice) -> dict[str, Any]:
    return _company(world, "customers", number, dice) | {"payment_conditions": f"{15 * (1 + dice.roll(4))}_days"}


def _supplier(world: World, number: int, dice: Dice) -> dict[str, Any]:
    return _company(world, "suppliers", number, dice) | {"iban": f"FR76{dice.roll(10**9):023d}"}


def _invoice(world: World, number: int, dice: Dice, partner: str) -> dict[str, Any]:
    lines, total = [], 0
    for _ in range(1 + dice.roll(3)):
        quantity, cents = 1 + dice.roll(9), 99 + dice.roll(50_000)
        total += quantity * cents
        lines.append({"label": dice.pick(_GOODS), "quantity": quantity, "amount": money(quantity * cents)})
    day = FIRST_DAY - timedelta(days=dice.roll(365))
    who = world.some(f"{partner}s", dice)
    return {
        "id": number,
        "invoice_number": f"F-{day.year}-{number:06d}",
        "date": day.isoformat(),
        "deadline": (day + timedelta(days=30)).isoformat(),
        "currency": "EUR",
        "amount": money(total + total // 5),
        "tax": money(total // 5),
        "remaining_amount": None if dice.roll(3) == 0 else money(dice.roll(total)),
        "paid": dice.roll(2) == 0,
        "label": f" {dice.pick(_GOODS)}" if dice.roll(12) == 0 else dice.pick(_GOODS),
        partner: {"id": who, "name": world.company(f"{partner}s", who)},
        "invoice_lines": lines,
    }


def _transaction(world: World, number: int, dice: Dice) -> dict[str, Any]:
    return {
        "id": number,
        "date": (FIRST_DAY - timedelta(days=dice.roll(365))).isoformat(),
        "label": f"VIR SEPA {dice.pick(_FIRST)} {number}",
        "amount": money(dice.roll(2_000_000) - 1_000_000),
        "currency": "EUR",
        "outstanding_balance": money(dice.roll(100_000)),
        "bank_account": {"id": world.some("bank_accounts", dice)},
        "categories": [{"id": world.some("categories", dice), "weight": "1.0"} for _ in range(dice.roll(3))],
    }


def _ledger_entry(world: World, number: int, dice: Dice) -> dict[str, Any]:
    amount = money(100 + dice.roll(900_000))
    accounts = world.some("ledger_accounts", dice), world.some("ledger_accounts", dice)
    return {
        "id": number,
        "date": (FIRST_DAY - timedelta(days=dice.roll(365))).isoformat(),
        "label": f"Écriture {dice.pick(_GOODS)}",
        "amount": amount,
        "journal": {"id": world.some("journals", dice)},
        "ledger_entry_lines": [
            {"ledger_account": {"id": accounts[0]}, "debit": amount, "credit": "0.00"},
            {"ledger_account": {"id": accounts[1]}, "debit": "0.00", "credit": amount},
        ],
    }


def _journal(world: World, number: int, dice: Dice) -> dict[str, Any]:
    return {"id": number, "code": f"J{number:03d}", "label": f"Journal {dice.pick(_CITIES)}", "type": "sales"}


def _ledger_account(world: World, number: int, dice: Dice) -> dict[str, Any]:
    code = f"{1 + number % 7}{number:05d}"
    return {"id": number, "number": code, "label": dice.pick(_GOODS), "vat_rate": "FR_200", "enabled": dice.roll(9) > 0}


def _category(world: World, number: int, dice: Dice) -> dict[str, Any]:
    return {"id": number, "label": dice.pick(_GOODS), "direction": dice.pick(["cash_in", "cash_out"])}


def _product(world: World, number: int, dice: Dice) -> dict[str, Any]:
    cents = 99 + dice.roll(99_000)
    price = {"amount": money(cents), "price_before_tax": money(cents * 5 // 6), "currency": "EUR"}
    return {"id": number, "label": f"{dice.pick(_GOODS)} n° {number}", "unit": "piece", **price}


def _bank_account(world: World, number: int, dice: Dice) -> dict[str, Any]:
    balance = money(dice.roll(90_000_000))
    return {"id": number, "name": f"Compte {dice.pick(_CITIES)}", "currency": "EUR", "balance": balance}


_MAKERS: dict[str, Callable[[World, int, Dice], dict[str, Any]]] = {
    "customer_invoices": lambda world, number, dice: _invoice(world, number, dice, "customer"),
    "supplier_invoices": lambda world, number, dice: _invoice(world, number, dice, "supplier"),
    "customers": _customer,
    "suppliers": _supplier,
    "transactions": _transaction,
    "journals": _journal,
    "ledger_accounts": _ledger_account,
    "ledger_entries": _ledger_entry,
    "categories": _category,
    "products": _product,
    "bank_accounts": _bank_account,
}
