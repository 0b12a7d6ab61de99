"""A project from `bief init` to `bief query`, as a user types it; and a server that tells secrets back."""

import base64
import csv
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from projects import project_from

CANARY = "canary/e2e+9c41f07a"


def bief(folder, *arguments):
    command = [sys.executable, "-m", "bief", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A new project that has run once."""
    parent = tmp_path_factory.mktemp("projects")
    made = bief(parent, "init", "shop")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[-2:] == ["  cd shop", "  bief run"]
    ran = bief(parent / "shop", "run", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {step["stream"]: step["loaded"] for step in json.loads(ran.stdout)["steps"]} == {
        "customers": 3,
        "orders": 20,
    }
    return parent / "shop"


def test_a_new_project_is_valid_and_everything_answers(shop):
    ended = bief(shop, "check", "--connect", "--json")
    assert ended.returncode == 0
    found = json.loads(ended.stdout)
    assert found["ok"]
    assert [each["role"] for each in found["connections"]] == ["source", "destination", "state"]


def test_its_rows_can_be_asked_for(shop):
    ended = bief(shop, "query", "SELECT id, amount FROM orders ORDER BY id", "--csv")
    rows = list(csv.reader(ended.stdout.splitlines()))
    assert rows[0] == ["id", "amount"]
    assert rows[1] == ["1", "9.90"]
    assert len(rows) == 21


def test_nothing_but_select_is_allowed(shop):
    ended = bief(shop, "query", "DELETE FROM orders")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert json.loads(bief(shop, "query", "SELECT count(*) AS n FROM orders", "--json").stdout) == [{"n": 20}]


def test_its_history_and_log_can_be_read(shop):
    newest = json.loads(bief(shop, "runs", "--json").stdout)[0]
    assert newest["state"] == "success"
    shown = bief(shop, "runs", newest["run_id"][:-1])
    assert shown.returncode == 0
    assert newest["run_id"] in shown.stdout
    events = [json.loads(line)["event"] for line in bief(shop, "logs", newest["run_id"], "--json").stdout.splitlines()]
    assert events[0] == "RunStarted"
    assert events[-1] == "RunFinished"


def test_plan_and_preview_write_nothing(shop):
    before = (shop / "warehouse.db").read_bytes()
    (plan,) = json.loads(bief(shop, "plan", "--json").stdout)
    assert [step["rows"] for step in plan["steps"]] == [3, 20]
    preview = json.loads(bief(shop, "preview", "shop.customers", "-n", "2", "--json").stdout)
    assert len(preview["before"]) == len(preview["after"]) == 2
    assert preview["after"][0]["address__city"] == "London"
    assert (shop / "warehouse.db").read_bytes() == before


def test_a_second_run_changes_nothing_and_select_takes_one_stream(shop):
    ended = bief(shop, "run", "shop", "--select", "customers", "--json")
    assert ended.returncode == 0
    assert [step["stream"] for step in json.loads(ended.stdout)["steps"]] == ["customers"]
    assert json.loads(bief(shop, "query", "SELECT count(*) AS n FROM customers", "--json").stdout) == [{"n": 3}]


@pytest.mark.parametrize(
    ("arguments", "says"), [(("run", "shoop"), "shoop"), (("run", "shop", "--select", "x"), "'x'")]
)
def test_wrong_names_are_usage_errors(shop, arguments, says):
    ended = bief(shop, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr


class Telltale(BaseHTTPRequestHandler):
    """Answers `/good` with rows, and everything else with the secret that it was sent."""

    def do_GET(self):
        told = self.headers.get("Authorization", "")
        good = self.path.startswith("/good")
        body = json.dumps([{"id": 1}] if good else {"error": f"bad token {told} at {self.path}"}).encode()
        self.send_response(200 if good else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def telltale(tmp_path):
    """A project with one good and one bad stream, whose token is a canary."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Telltale)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / ".env").write_text(f"API_TOKEN={CANARY}\n")
    (tmp_path / "bief.yaml").write_text(f"""\
project: telltale
sources:
  api:
    type: rest
    base_url: http://127.0.0.1:{server.server_address[1]}
    auth: {{type: bearer, token: ${{API_TOKEN}}}}
    streams:
      good: {{path: /good, primary_key: id}}
      bad: {{path: /bad, primary_key: id}}
destinations:
  warehouse: {{type: sqlite, path: w.db}}
pipelines:
  both: {{source: api, destination: warehouse, streams: [good, bad]}}
""")
    yield tmp_path
    server.shutdown()
    server.server_close()


def test_a_partial_run_ends_with_three_and_tells_no_secret(telltale):
    ended = bief(telltale, "run", "--debug")
    assert ended.returncode == 3
    outputs = [ended.stdout, ended.stderr]
    commands = [("check", "--connect"), ("run", "--json"), ("runs", "--json"), ("runs", "latest"), ("logs", "latest")]
    for command in (*commands, ("logs", "latest", "--json"), ("preview", "both.bad", "--debug"), ("plan",)):
        again = bief(telltale, *command)
        outputs += [again.stdout, again.stderr]
    forms = {CANARY, CANARY.replace("/", "%2F").replace("+", "%2B"), base64.b64encode(CANARY.encode()).decode()}
    files = [path for path in telltale.rglob("*") if path.is_file() and path.name != ".env"]
    assert {"w.db", "state.db"} <= {path.name for path in files}
    for form in forms:
        assert all(form not in text for text in outputs)
        assert [path.name for path in files if form.encode() in path.read_bytes()] == []


def test_a_failed_run_ends_with_one(telltale):
    ended = bief(telltale, "run", "both", "--select", "bad")
    assert ended.returncode == 1
    assert "What happened: bief logs " in ended.stdout


HIDING = """users:
        path: /users
        primary_key: id
        columns: {email: drop, address__geo: drop, username: {hash: sha256}}"""


def test_a_preview_shows_no_column_that_is_dropped_or_hashed(tmp_path):
    project = project_from("placeholder", tmp_path / "web")
    project.change("users: {path: /users, primary_key: id, trim: true}", HIDING)

    seen = project.bief("preview", "placeholder.users", "-n", "2", "--json").json

    for row in seen["before"]:
        assert "email" not in row
        assert "geo" not in row["address"]
        assert "username" not in row
    assert len(seen["after"]) == 2
    assert all(len(row["username"]) == 64 for row in seen["after"])
    assert not any("address__geo__lat" in row for row in seen["after"])
