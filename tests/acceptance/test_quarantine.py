"""Rejected rows from the file to the quarantine and back, and a run taken back: by the command line, as users do."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from projects import ProjectFolder

PROJECT = """
project: shop
sources:
  drop:
    type: files
    streams:
      orders: {files: "orders*.csv", format: csv, primary_key: id, columns: {amount: "decimal(9,2)"}}
destinations:
  warehouse: {type: duckdb, path: warehouse.duckdb}
pipelines:
  shop: {source: drop, destination: warehouse, mode: append, max_rejected: 10}
"""
ORDERS = "id,amount,name\n1,1.10,ada\n2,much,\x1b[2Jbob\n3,3.30,cyd\n,4,dee\n"


@pytest.fixture
def shop(tmp_path) -> ProjectFolder:
    """A project that has run once, with two rejected rows: 1-1 for its amount, 1-2 for its key."""
    (tmp_path / "bief.yaml").write_text(PROJECT)
    (tmp_path / "orders.csv").write_text(ORDERS)
    folder = ProjectFolder(tmp_path)
    assert folder.run()["steps"][0]["rejected"] == 2
    return folder


def lines(done) -> list[dict]:
    return [json.loads(line) for line in done.out.splitlines()]


def ids(folder: ProjectFolder) -> list[int]:
    return [row["id"] for row in folder.duckdb("SELECT id FROM orders ORDER BY id")]


def test_a_row_is_found_corrected_and_loaded(shop):
    listed = shop.bief("quarantine", "list").out
    assert "shop.orders  primary_key     1" in listed
    assert "'much' is not a decimal(9,2)" in listed
    rows = lines(shop.bief("quarantine", "list", "shop.orders", "--rule", "type", "--json"))
    assert [row["id"] for row in rows] == ["1-1"]
    shown = shop.bief("quarantine", "show", "1-1").out
    assert "orders.csv, line 3" in shown
    assert '  "amount": "much"' in shown
    assert "\x1b" not in listed + shown + json.dumps(rows)

    rows[0]["raw"]["amount"] = "2.20"
    (shop.folder / "rows.jsonl").write_text(json.dumps(rows[0]) + "\n")
    tried = shop.bief("quarantine", "replay", "shop", "--edits", "rows.jsonl", "--dry-run").out
    assert "orders: 1 of 2 rows would pass now" in tried
    assert ids(shop) == [1, 3]
    done = shop.bief("quarantine", "replay", "shop", "--edits", "rows.jsonl", "--yes", "--json").json
    assert (done["kind"], done["steps"][0]["loaded"], done["steps"][0]["rejected"]) == ("replay", 1, 1)
    assert done["stays"] == {
        "orders": [{"rule": "primary_key", "column": "id", "rows": 1, "example": done["stays"]["orders"][0]["example"]}]
    }
    assert shop.duckdb("SELECT id, amount::text AS amount, name FROM orders ORDER BY id")[1] == {
        "id": 2, "amount": "2.20", "name": "\x1b[2Jbob",
    }  # fmt: skip
    assert [row["id"] for row in lines(shop.bief("quarantine", "list", "--json"))] == ["1-2"]
    assert "shop (replay)" in shop.bief("runs").out
    assert shop.run()["steps"][0]["read"] == 0, "the replay left the position where it was"


def test_what_was_typed_wrong_is_told(shop):
    assert "nobody to ask" in shop.bief("quarantine", "replay", "shop", code=2).err
    assert "no row 9-9" in shop.bief("quarantine", "replay", "shop", "--id", "9-9", "--yes", code=2).err
    assert "no rejected row 9-9" in shop.bief("quarantine", "show", "9-9", code=2).err
    assert "no stream 'other'" in shop.bief("quarantine", "list", "shop.other", code=2).err
    (shop.folder / "rows.jsonl").write_text('{"id": "1-1"}\n')
    wrong = shop.bief("quarantine", "replay", "shop", "--edits", "rows.jsonl", "--yes", code=2)
    assert "rows.jsonl:1" in wrong.err
    assert "nobody to ask" in shop.bief("rollback", "latest", code=2).err
    assert ids(shop) == [1, 3]


def answered(folder: ProjectFolder, answer: str, *words: str) -> tuple[int, str]:
    """Call a command on a terminal and answer its question."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bief", *words]
    process = subprocess.Popen(
        command, cwd=folder.folder, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    said = process.communicate(timeout=120)[0].decode()
    os.close(ours)
    return process.returncode, said


def test_on_a_terminal_it_asks_first(shop):
    (shop.folder / "rows.jsonl").write_text('{"id": "1-1", "raw": {"id": "2", "amount": "2.20", "name": "bob"}}\n')
    words = ("quarantine", "replay", "shop", "--edits", "rows.jsonl")
    code, said = answered(shop, "n", *words)
    assert (code, ids(shop)) == (130, [1, 3])
    assert "1 of 2 rows would pass now" in said
    assert "Bring them back?" in said
    assert answered(shop, "y", *words)[0] == 0
    assert ids(shop) == [1, 2, 3]


def test_a_run_is_taken_back_and_the_next_one_loads_the_same_again(shop):
    (shop.folder / "orders_2.csv").write_text("id,amount,name\n5,5.50,eve\n6,no,fay\n")
    second = shop.run()
    wanted = shop.duckdb("SELECT id, amount, name FROM orders ORDER BY id")
    plan = shop.bief("rollback", "latest", "--dry-run", "--json").json
    assert plan["streams"][0]["rows"] == 1
    assert len(shop.duckdb("SELECT id FROM orders")) == 3

    back = shop.bief("rollback", second["run_id"], "--yes", "--json").json
    assert (back["kind"], back["verdict"], back["steps"][0]["deleted"]) == ("rollback", "success", 1)
    assert ids(shop) == [1, 3]
    assert {row["run"] for row in lines(shop.bief("quarantine", "list", "--json"))}.isdisjoint({second["run_id"]})
    assert "could be taken back" in shop.bief("rollback", second["run_id"], "--yes", code=2).err

    third = shop.run()
    assert (third["steps"][0]["loaded"], third["steps"][0]["rejected"]) == (1, 1)
    assert shop.duckdb("SELECT id, amount, name FROM orders ORDER BY id") == wanted


def test_a_merge_is_not_taken_back(shop):
    shop.change("mode: append", "mode: merge")
    shop.run()
    (shop.folder / "orders_2.csv").write_text("id,amount,name\n1,9.90,new\n")
    shop.run()
    refused = shop.bief("rollback", "latest", "--yes", code=1).err
    assert "orders was loaded in mode merge" in refused
    assert "backup" in refused
    assert next(row["name"] for row in shop.duckdb("SELECT name FROM orders ORDER BY id")) == "new"
