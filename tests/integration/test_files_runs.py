"""Whole runs over files: what a destination holds after files came, changed, were damaged or replaced meanwhile."""

from __future__ import annotations

import gzip
from contextlib import contextmanager

import pytest
from file_sources import json_lines

from bief import Project
from bief.base.events import PageRead

PROJECT = """
project: shop
sources:
  exports:
    type: files
    path: data
    streams:
      rows: {{files: "*.jsonl*", primary_key: id, batch_rows: {batch_rows}}}
destinations: {{db: {{type: duckdb, path: shop.duckdb}}}}
pipelines: {{load: {{source: exports, destination: db, mode: {mode}}}}}
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(3):
        put(tmp_path, f"{number}.jsonl", json_lines(number * 10, number * 10 + 10))
    return tmp_path


def put(folder, name, content):
    (folder / "data" / name).write_bytes(content)


@contextmanager
def opened(folder, mode="append", batch_rows=1):
    (folder / "bief.yaml").write_text(PROJECT.format(mode=mode, batch_rows=batch_rows))
    with Project.load(folder) as project:
        yield project


def run(folder, mode="append", subscribers=(), **words):
    """The only step of one run, and the ids in the table after it."""
    with opened(folder, mode, **words) as project:
        (step,) = project.run("load", subscribers=subscribers).steps
        return step, project.query("SELECT id FROM rows ORDER BY id").column("id").to_pylist()


@pytest.mark.parametrize("mode", ["append", "merge", "history"])
def test_a_second_run_loads_only_what_is_new(shop, mode):
    _, first = run(shop, mode)
    put(shop, "3.jsonl", json_lines(30, 40))
    step, second = run(shop, mode)

    assert (first, second) == (list(range(30)), list(range(40)))
    assert (step.read, step.loaded) == (10, 10)


def test_replace_holds_what_the_files_hold(shop):
    run(shop, "replace")
    (shop / "data" / "0.jsonl").unlink()
    step, ids = run(shop, "replace")

    assert ids == list(range(10, 30))
    assert step.read == 20


@pytest.mark.parametrize(("mode", "held"), [("append", [*range(30), *range(15)]), ("merge", range(30))])
def test_37_a_changed_file_is_added_again_or_merged(shop, mode, held):
    run(shop, mode)
    put(shop, "0.jsonl", json_lines(0, 15))
    step, ids = run(shop, mode)

    assert step.read == 15
    assert ids == sorted(held)


@pytest.mark.parametrize("batch_rows", [1, 20_000])
def test_27_a_damaged_file_loads_nothing_and_keeps_the_files_before_it(shop, batch_rows):
    whole = gzip.compress(json_lines(100, 300_000))
    put(shop, "2.jsonl.gz", whole[:-20])
    (shop / "data" / "2.jsonl").unlink()
    step, ids = run(shop, batch_rows=batch_rows)

    assert step.status == "failed"
    assert "2.jsonl.gz: The gzip data ends too early" in step.error
    assert ids == list(range(20))
    put(shop, "2.jsonl.gz", whole)
    step, ids = run(shop, batch_rows=batch_rows)
    assert (step.status, step.read) == ("success", 299_900)
    assert ids == [*range(20), *range(100, 300_000)]


def test_35_a_file_that_is_replaced_while_it_is_loaded_is_loaded_once_as_it_is_now(shop):
    put(shop, "1.jsonl", json_lines(1000, 701_000))
    new = json_lines(10, 20)
    replaced = []

    def replace_once(event):
        if isinstance(event, PageRead) and event.rows > 1000 and not replaced:
            replaced.append(event)
            put(shop, "1.jsonl", new)

    step, ids = run(shop, subscribers=[replace_once])

    assert replaced
    assert (step.status, ids) == ("success", list(range(30)))
    assert step.read == step.loaded == 30


def test_a_run_with_nothing_new_changes_nothing(shop):
    run(shop)
    step, ids = run(shop)

    assert (step.status, step.read, ids) == ("success", 0, list(range(30)))


def test_the_plan_says_what_the_next_run_would_do(shop):
    with opened(shop) as project:
        assert [step.action for step in project.plan("load").steps] == ["full read"]
        project.run("load")
        assert [step.action for step in project.plan("load").steps] == ["incremental read"]
        assert all(connection.ok for connection in project.check_connections())


def test_a_full_refresh_reads_all_files_again(shop):
    run(shop)
    with opened(shop) as project:
        (step,) = project.run("load", full_refresh=True).steps
        ids = project.query("SELECT id FROM rows ORDER BY id").column("id").to_pylist()

    assert (step.read, ids) == (30, list(range(30)))
