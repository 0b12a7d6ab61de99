"""`bief verify` as its users type it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from scripted_api import ScriptedApi, reply

from projects import ProjectFolder

PROJECT = """\
project: shop
sources:
  api:
    type: rest
    base_url: ${API_URL}
    records: items
    max_attempts: 1
    pagination: {type: page, size_param: limit, size: 4}
    streams:
      orders: {path: /orders, primary_key: id, columns: {email: {hash: sha256}, amount: "decimal(9,2)"}}
      people: {path: /people, primary_key: id}
destinations:
  warehouse: {type: sqlite, path: shop.db}
pipelines:
  shop: {source: api, destination: warehouse, max_rejected: "50%"}
"""


def script(asked):
    amounts = ["1.00", "2.50", "many", "4.00", "5.10", "6.00"]
    rows = [{"id": number, "email": f"p{number}@example.org", "amount": text} for number, text in enumerate(amounts)]
    if asked.path == "/people":
        rows = [{"id": number, "name": f"person {number}"} for number in range(9)]
    size = int(asked.query["limit"])
    start = (int(asked.query.get("page", "1")) - 1) * size
    return reply({"items": rows[start : start + size]})


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "bief.yaml").write_text(PROJECT, encoding="utf-8")
    with ScriptedApi(script) as api:
        project = ProjectFolder(tmp_path, {"API_URL": api.url, "NO_COLOR": "1"})
        project.run()
        yield project


def by_hand(shop, statement):
    with closing(sqlite3.connect(shop.folder / "shop.db", isolation_level=None)) as connection:
        connection.execute(statement)


def test_equal_is_exit_code_0_and_says_what_was_compared(shop):
    done = shop.bief("verify", "shop")
    assert "source and destination are equal" in done.out
    assert "compared all rows, by id" in done.out
    assert "last complete load was 20" in done.out
    whole = shop.bief("verify", "shop", "--json").json
    assert whole["equal"]
    orders = whole["streams"][0]
    assert (orders["source_rows"], orders["destination_rows"], orders["rejected"]) == (5, 5, 1)
    assert orders["source_checksum"] == orders["destination_checksum"]
    assert not list((shop.folder / ".bief").glob("verify-*"))


def test_different_is_exit_code_1_and_shows_where(shop):
    by_hand(shop, "UPDATE orders SET amount = '2.51', email = 'known' WHERE id = 1")
    by_hand(shop, "DELETE FROM people WHERE id = 4")
    done = shop.bief("verify", "shop", code=1)
    assert "source and destination differ" in done.out
    assert "example.org" not in done.out
    streams = {each["stream"]: each for each in shop.bief("verify", "shop", "--json", code=1).json["streams"]}
    assert streams["orders"]["differences"] == [
        {"kind": "changed", "key": {"id": 1}, "column": "email", "source": "(hidden)", "destination": "(hidden)"},
        {"kind": "changed", "key": {"id": 1}, "column": "amount", "source": "2.50", "destination": "2.51"},
    ]
    assert streams["people"]["differences"] == [
        {"kind": "missing", "key": {"id": 4}, "column": "", "source": None, "destination": None}
    ]
    assert shop.bief("verify", "shop", "--select", "people", "--sample-differences", "0", code=1).out.count("id=4") == 0


def test_wrong_usage_is_exit_code_2(shop):
    assert "no pipeline 'nothing'" in shop.bief("verify", "nothing", code=2).err
    assert "no stream 'nothing'" in shop.bief("verify", "shop", "--select", "nothing", code=2).err
    assert "cursor column" in shop.bief("verify", "shop", "--until", "2026-01-01", code=2).err


def test_a_source_that_does_not_answer_is_one_paragraph(shop):
    done = shop.bief("verify", "shop", code=1, API_URL="http://127.0.0.1:9")
    assert done.err.startswith("error: api.orders")
    assert "Traceback" not in done.err
    assert done.out == ""
