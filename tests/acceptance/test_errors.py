"""What a user sees when something is wrong: one paragraph that says what to do, no secret, no cursor moved."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys

import pytest
import simulators

CANARY = "canary-7f3e-token"
PASSWORD = "canary-9b1d-password"
PROJECT = """\
project: errors
sources:
  api:
    type: rest
    base_url: ${API_URL}
    auth: {type: bearer, token: "${API_TOKEN}"}
    records: items
    max_attempts: 2
    pagination: {type: cursor, cursor_param: cursor, next_cursor: next_cursor, has_more: has_more}
    streams:
      customers: {path: /customers, primary_key: id}
      products: {path: /products, primary_key: id}
destinations:
  warehouse: {type: sqlite, path: shop.db}
pipelines:
  shop: {source: api, destination: warehouse}
"""


class Shop:
    def __init__(self, folder):
        self.folder = folder
        self.write(PROJECT)

    def write(self, text):
        (self.folder / "bief.yaml").write_text(text, encoding="utf-8")

    def run(self, api_url, token="demo", **environment):
        """Exit code, receipt and everything that was written anywhere."""
        command = [sys.executable, "-m", "bief", "-C", str(self.folder), "run", "--json"]
        variables = {**os.environ, "API_URL": api_url, "API_TOKEN": token, "NO_COLOR": "1", **environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
        written = done.stdout + done.stderr + "".join(path.read_text() for path in self.folder.rglob("*.jsonl"))
        for path in self.folder.rglob("*.db*"):
            written += path.read_bytes().decode("latin-1")
        assert CANARY not in written
        assert PASSWORD not in written
        assert "Traceback" not in written
        return done.returncode, (json.loads(done.stdout) if done.stdout else None), done.stderr

    def positions(self):
        connection = sqlite3.connect(self.folder / "shop.db")
        try:
            return dict(connection.execute("SELECT stream, position FROM _bief_state"))
        finally:
            connection.close()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def is_one_paragraph_with_advice(error):
    return "\n" not in error.strip() and len(re.findall(r"[.!?]", error)) >= 2 and len(error) < 1200


@pytest.mark.parametrize(
    ("flags", "token", "says"),
    [
        ([], CANARY, ["401", "auth", "token"]),
        (["--fail", "products=500"], "demo", ["500", "products"]),
        (["--fail", "products=html"], "demo", ["JSON", "products"]),
    ],
    ids=["wrong token", "500 again and again", "HTML instead of JSON"],
)
def test_what_the_api_does_wrong(shop, flags, token, says):
    with simulators.running("accounting", "--records", 600, "--requests", 0) as api:
        assert shop.run(api.url)[0] == 0
    before = shop.positions()

    with simulators.running("accounting", "--records", 600, "--requests", 0, *flags) as api:
        code, receipt, _ = shop.run(api.url, token)

    failed = {step["stream"]: step["error"] for step in receipt["steps"] if step["status"] == "failed"}
    assert code == (1 if token == CANARY else 3)
    assert "products" in failed
    for error in failed.values():
        assert is_one_paragraph_with_advice(error), error
    for word in says:
        assert word in failed["products"]
    assert shop.positions()["products"] == before["products"]


def test_a_record_path_that_is_not_there(shop):
    shop.write(PROJECT.replace("records: items", "records: data"))

    with simulators.running("accounting", "--records", 600, "--requests", 0) as api:
        code, receipt, _ = shop.run(api.url)

    assert code == 1
    for step in receipt["steps"]:
        assert is_one_paragraph_with_advice(step["error"])
        assert "`data`" in step["error"]
        assert "items" in step["error"]  # what is there instead
    assert set(shop.positions().values()) == {None}


def test_an_unknown_key_and_a_missing_variable_are_told_at_once_with_their_lines(shop):
    shop.write(PROJECT.replace("destination: warehouse}", "destination: warehouse, shedule: hourly}"))

    command = [sys.executable, "-m", "bief", "-C", str(shop.folder), "run"]
    variables = {**os.environ, "API_URL": "http://127.0.0.1:9", "OTHER_SECRET": CANARY, "NO_COLOR": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert re.search(r"bief\.yaml:6: .*API_TOKEN", done.stderr)
    assert re.search(r"bief\.yaml:16: .*unknown key 'shedule'", done.stderr)
    assert CANARY not in done.stderr + done.stdout
    assert not (shop.folder / "shop.db").exists()


def test_an_unreachable_database(shop):
    url = f"postgresql://loader:{PASSWORD}@127.0.0.1:1/shop"
    shop.write(PROJECT.replace("{type: sqlite, path: shop.db}", '{type: postgres, url: "${DATABASE_URL}"}'))

    code, receipt, errors = shop.run("http://127.0.0.1:9", DATABASE_URL=url)

    assert code == 1
    assert is_one_paragraph_with_advice(receipt["error"])
    assert "127.0.0.1" in receipt["error"]
    assert "warehouse" in receipt["error"]
    assert receipt["error"] in " ".join(errors.split()) or not errors


def test_an_unreachable_api(shop):
    code, receipt, _ = shop.run("http://127.0.0.1:9", CANARY)

    assert code == 1
    for step in receipt["steps"]:
        assert is_one_paragraph_with_advice(step["error"])
        assert "127.0.0.1:9" in step["error"]
