"""Checks as a user meets them: the placeholder example with rules that some of its rows break."""

from __future__ import annotations

import pytest

from projects import project_from

CHECKS = """
pipelines:
  placeholder:
    source: api
    destination: file
    mode: replace
    streams: [posts, users, todos]
    checks:
      users:
        - not_null: [id, email]
        - unique: email
        - regex: {column: email, pattern: "^[^@]+@[^@]+$"}
        - row_count: {min: 10, max: 10}
      posts:
        - relationship: {column: user_id, to: users.id}
        - range: {column: id, min: 1, max: 98}
        - expression: "length(title) > 4"
          severity: warn
          name: titles_say_something
      todos:
        - row_count: {min: 1000}
"""


@pytest.fixture
def project(tmp_path):
    made = project_from("placeholder", tmp_path / "web")
    text = (made.folder / "bief.yaml").read_text(encoding="utf-8")
    (made.folder / "bief.yaml").write_text(text.partition("\npipelines:")[0] + CHECKS, encoding="utf-8")
    return made


def checks(receipt, stream):
    [step] = [step for step in receipt["steps"] if step["stream"] == stream]
    return {check["name"]: (check["severity"], check["rows_failed"]) for check in step["checks"]}


def test_a_run_with_checks_says_what_each_of_them_found(project):
    receipt = project.run(code=3)
    assert receipt["verdict"] == "partial"
    assert checks(receipt, "posts") == {
        "relationship_user_id": ("reject", 0),
        "range_id": ("reject", 2),
        "titles_say_something": (
            "warn",
            project.query("SELECT count(*) AS n FROM posts WHERE length(title) <= 4")[0]["n"],
        ),
    }
    assert {name: found[1] for name, found in checks(receipt, "users").items()} == {
        "not_null_id_email": 0,
        "unique_email": 0,
        "regex_email": 0,
        "row_count": 0,
    }
    assert checks(receipt, "todos") == {"row_count": ("fail", 1)}
    [todos] = [step for step in receipt["steps"] if step["stream"] == "todos"]
    assert "the table has 200 rows, and at least 1000 are wanted" in todos["error"]
    rejected = project.query("SELECT origin, rule, reason FROM _bief_quarantine ORDER BY origin")
    assert sorted((row["rule"], row["reason"]) for row in rejected) == [
        ("range_id", "'100' is not in the range 1 to 98"),
        ("range_id", "'99' is not in the range 1 to 98"),
    ]
    assert project.query("SELECT count(*) AS n FROM posts") == [{"n": 98}]
    shown = project.bief("runs", "latest").out
    assert "checks that rows did not keep" in shown
    assert "row_count" in shown
    assert (
        "check 'row_count'" in project.bief("logs", "latest").out or "row_count" in project.bief("logs", "latest").out
    )


def test_a_preview_shows_what_a_check_would_reject(project):
    project.change("range: {column: id, min: 1, max: 98}", "range: {column: id, min: 2}")
    shown = project.bief("preview", "placeholder.posts", "-n", "3", "--json").json
    assert [row["id"] for row in shown["after"]] == [2, 3]
    assert [(row["rule"], row["reason"]) for row in shown["rejected"]] == [("range_id", "'1' is less than 2")]


def test_what_is_wrong_with_a_check_is_said_before_anything_runs(project):
    project.change("length(title) > 4", "length(title >")
    project.change("      todos:\n", "      todo:\n")
    done = project.bief("check", code=2)
    text = done.out + done.err
    assert "pipelines.placeholder.checks.posts[3].expression: is not an SQL expression: syntax error" in text
    project.change("length(title >", "length(title) > 4")
    done = project.bief("check", code=2)
    assert "the pipeline loads no stream 'todo'. It loads posts, users, todos." in done.out + done.err


def test_a_check_of_a_dropped_or_renamed_column_is_a_problem_of_the_file(project):
    project.change(
        "posts: {path: /posts, primary_key: id, trim: true}",
        "posts: {path: /posts, columns: {user_id: {rename: author}, body: drop, title: {hash: sha256}}}",
    )
    project.change("range: {column: id, min: 1, max: 98}", 'regex: {column: title, pattern: "a"}')
    project.change('"length(title) > 4"', "body IS NOT NULL")
    done = project.bief("check", code=2)
    text = done.out + done.err
    assert "posts[1].relationship: the column 'user_id' is renamed to 'author'." in text
    assert "posts[2].regex: the column 'title' is made unreadable by its stream" in text
    assert "posts[3].expression: the column 'body' is dropped by its stream." in text


def test_relationships_in_a_circle_are_a_problem_of_the_file(project):
    project.change("- row_count: {min: 10, max: 10}", "- relationship: {column: id, to: posts.user_id}")
    done = project.bief("check", code=2)
    assert "the relationships of posts, users go in a circle, so none can be loaded first." in done.out + done.err


def test_a_frozen_table_says_what_broke_it(project):
    project.change("mode: replace\n", "mode: merge\n    contract: freeze\n")
    project.run(code=3)
    project.change(
        "users: {path: /users, primary_key: id, trim: true}",
        "users: {path: /users, primary_key: id, columns: {name: {rename: called}}}",
    )
    receipt = project.run(code=1)
    [users] = [step for step in receipt["steps"] if step["stream"] == "users"]
    assert "breaks the contract 'freeze': column 'called': the table has no column 'called'" in users["error"]
    assert "So do 9 more rows of this batch." in users["error"]
