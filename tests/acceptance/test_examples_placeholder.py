"""The placeholder example, run as a user runs it, against its simulator and against the package it is shaped after."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.request
from contextlib import closing

import pytest
from codebase import ROOT
from postgres_server import missing
from simulators import running

from projects import project_from

COUNTS = {"users": 10, "posts": 100, "comments": 500, "albums": 100, "photos": 5000, "todos": 200}
PACKAGE = ROOT / ".servers" / "node_modules" / "jsonplaceholder" / "index.js"


@pytest.fixture
def project(tmp_path):
    return project_from("placeholder", tmp_path / "web")


@pytest.fixture
def npm_server():
    node = shutil.which("node")
    if node is None or not PACKAGE.exists():
        missing("no JSONPlaceholder: Node.js or the npm package is missing; scripts/servers.sh fetches both")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([node, PACKAGE], env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{url}/posts/1", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def test_all_tables_are_there_and_a_second_run_changes_nothing(project):
    for _ in range(2):
        receipt = project.run()
        assert {step["table"]: step["loaded"] for step in receipt["steps"]} == COUNTS
    assert {name: project.query(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in COUNTS} == COUNTS
    [row] = project.query("SELECT count(*) AS n FROM posts WHERE title <> trim(title) OR _loaded_at IS NULL")
    assert row["n"] == 0


def test_values_arrive_as_they_are_in_the_source(project):
    project.run()
    with running("placeholder") as api:
        users, todos = api.get("/users").json, api.get("/todos").json
    rows = project.query("SELECT id, name, address__city, address__geo__lat, company__name FROM users ORDER BY id")
    assert rows == [
        {
            "id": user["id"],
            "name": user["name"],
            "address__city": user["address"]["city"],
            "address__geo__lat": user["address"]["geo"]["lat"],
            "company__name": user["company"]["name"],
        }
        for user in users
    ]
    done = project.query("SELECT count(*) AS n FROM todos WHERE completed")
    assert done == [{"n": sum(todo["completed"] for todo in todos)}]


def test_a_failing_stream_leaves_its_old_table(project):
    project.run()
    receipt = project.bief("run", "--json", code=3, SIMULATOR_FLAGS="--fail albums=404").json
    assert {step["stream"] for step in receipt["steps"] if step["status"] == "failed"} == {"albums"}
    assert project.query("SELECT count(*) AS n FROM albums") == [{"n": 100}]


def test_a_view_on_a_replaced_table_survives(project):
    project.run()
    with closing(sqlite3.connect(project.folder / "placeholder.db")) as database:
        database.execute("CREATE VIEW v AS SELECT id FROM posts")
    project.run()
    assert project.query("SELECT count(*) AS n FROM v") == [{"n": 100}]


def test_a_preview_shows_rows_before_and_after_and_writes_nothing(project):
    shown = json.loads(project.bief("preview", "placeholder.posts", "-n", "3", "--json").out)
    assert [row["title"].strip() for row in shown["before"]] == [row["title"] for row in shown["after"]]
    assert len(shown["before"]) == 3
    assert not (project.folder / "placeholder.db").exists()


def test_the_same_project_reads_the_package_it_is_shaped_after(project, npm_server):
    receipt = project.run(PLACEHOLDER_URL=npm_server)
    assert {step["table"]: step["loaded"] for step in receipt["steps"]} == COUNTS
    [row] = project.query("SELECT count(*) AS n FROM posts WHERE user_id BETWEEN 1 AND 10")
    assert row["n"] == 100


@pytest.mark.parametrize("example", ["accounting", "placeholder"])
def test_an_editor_finds_the_schema_of_a_shipped_example(example, tmp_path):
    folder = project_from(example, tmp_path / "copy").folder

    hint = (folder / "bief.yaml").read_text(encoding="utf-8").splitlines()[0]

    assert hint == "# yaml-language-server: $schema=.bief/schema.json"
    assert "properties" in json.loads((folder / ".bief" / "schema.json").read_text(encoding="utf-8"))
