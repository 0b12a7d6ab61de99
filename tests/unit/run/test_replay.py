"""Rows come back from the quarantine: which, into what, and which stay. A real SQLite file and a real control store."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from json_source import JsonSource

from bief.assemble.corrections import replay
from bief.base.clock import SystemClock
from bief.base.events import Events
from bief.base.secrets import Redactor
from bief.batches.schema import type_named
from bief.batches.shaping import ColumnRule, Shape
from bief.destinations.sqlite import SqliteDestination
from bief.errors import CommitInDoubt, DestinationUnavailable, ProjectError
from bief.guard.budget import Budget
from bief.ports.records import QuarantineFilter
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.run import replay as replaying
from bief.run.plan import Pipeline, StreamLoad
from bief.run.replay import ReplayRequest
from bief.run.runner import Runner
from bief.sql.loading import SqlLoader
from bief.state.leases import Leases
from bief.state.store import Store

STRICT = Shape(columns={"amount": ColumnRule(type=type_named("decimal(9,2)"))})
LOOSE = Shape(columns={"amount": ColumnRule(type=type_named("text"))})
ORDERS = Stream("orders", primary_key=("id",), shape=STRICT)
GOOD = ['{"id": 1, "amount": 1.10}', '{"id": 2, "amount": "2.20"}']
BAD = ['{"id": 3, "amount": "three"}', '{"id": null, "amount": 4}', '{"id": 5, "amount": "five"}']


def text(number, amount=0, **more):
    return json.dumps({"id": number, "amount": amount, **more})


class Shop:
    """A pipeline of one stream, whose declaration and texts a test changes between runs."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store.in_folder(folder / ".bief")
        self.store.prepare()
        self.redactor = Redactor()
        self.events, self.stop = Events(), threading.Event()
        self.heard = []
        self.events.subscribe(self.heard.append)
        options = SqliteDestination.Options(path="shop.db")
        self.destination = SqliteDestination("warehouse", options, Runtime(folder=folder))
        self.source = JsonSource([ORDERS], {"orders": [*GOOD, *BAD]})
        self.mode = "merge"

    def pipeline(self):
        load = StreamLoad(self.source.declared[0], "orders", self.mode, Budget.parse("100%"))
        return Pipeline("shop", "json", self.source, "warehouse", self.destination, (load,), 1)

    def declare(self, **changes):
        self.source.declared = [replace(self.source.declared[0], **changes)]

    def run(self, *texts, **options):
        self.source.texts["orders"] = list(texts)
        receipt = self._runner.run(self.pipeline(), self._runner.new_run_id(), **options)
        assert receipt.verdict == "success", receipt
        return receipt.steps[0]

    def replay(self, verdict="success", **request):
        rehearse = request.get("rehearse", False)

        def run(pipeline, road):
            return self._runner.run(pipeline, self._runner.new_run_id(), road=road, kind="replay", rehearse=rehearse)

        done = replay(self.pipeline(), ReplayRequest(**request), run)
        assert done.receipt.verdict == verdict, done.receipt
        return done.receipt.steps[0], done.outcomes["orders"]

    @property
    def _runner(self):
        return Runner(self.store, Leases(self.store), self.events, SystemClock(), self.stop, self.redactor)

    def rows(self, sql="SELECT id, amount FROM orders ORDER BY id"):
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection:
            return connection.execute(sql).fetchall()

    def kept(self):
        return self.destination.rejected_rows(QuarantineFilter(), limit=100_000)

    def ids(self):
        return [row.id for row in self.kept()]


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.destination.close()
    made.store.close()


def test_nothing_passes_as_long_as_nothing_has_changed(shop):
    shop.run(*GOOD, *BAD)
    before = shop.kept()
    step, outcome = shop.replay()
    assert (step.read, step.loaded, step.rejected) == (3, 0, 3)
    assert shop.kept() == before
    assert {key: count for key, (count, _) in outcome.reasons.items()} == {
        ("type", "amount"): 2,
        ("primary_key", "id"): 1,
    }


def test_a_rehearsal_says_what_would_pass_and_changes_nothing(shop):
    shop.run(*GOOD, *BAD)
    before, rows = shop.kept(), shop.rows()
    runs = len(shop.store.list_runs(9))
    edits = {shop.ids()[0]: '{"id": 3, "amount": 3.30}'}
    step, outcome = shop.replay(edits=edits, rehearse=True)
    assert (step.read, step.loaded, step.rejected, outcome.loaded) == (3, 1, 2, 1)
    assert (shop.kept(), shop.rows(), len(shop.store.list_runs(9))) == (before, rows, runs)
    assert shop.rows("SELECT count(*) FROM _bief_loads") == [(1,)]


def test_what_passes_after_a_change_of_the_project_file_moves_and_the_rest_stays(shop):
    shop.run(*BAD, text(6, "6"))
    shop.declare(shape=LOOSE)
    # The table knows the column by its old type until it is rebuilt.
    shop.run(text(7, "seven"), full_refresh=True)
    before = shop.rows("SELECT position, complete, last_success FROM _bief_state")
    reads = len(shop.source.reads)

    step, outcome = shop.replay()

    assert (step.read, step.loaded, step.rejected) == (3, 2, 1)
    assert shop.rows() == [(3, "three"), (5, "five"), (7, "seven")]
    [row] = shop.kept()
    assert (row.rejected.rule, row.rejected.raw) == ("primary_key", BAD[1])
    assert len(shop.source.reads) == reads, "a replay asks nothing of the source"
    assert list(outcome.reasons) == [("primary_key", "id")]
    assert shop.rows("SELECT position, complete, last_success FROM _bief_state") == before
    assert shop.rows("SELECT total_rows FROM _bief_state") == [(3,)]
    record = shop.store.list_runs(1)[0]
    assert (record.state, record.receipt["kind"], record.receipt["steps"][0]["loaded"]) == ("success", "replay", 2)


def test_a_row_that_fails_for_another_reason_now_says_so(shop):
    shop.run(BAD[0], GOOD[0])
    assert shop.kept()[0].rejected.rule == "type"
    shop.mode = "append"
    shop.declare(primary_key=("id", "day"))
    shop.replay()
    [row] = shop.kept()
    assert (row.rejected.rule, row.rejected.column, row.rejected.raw) == ("primary_key", "day", BAD[0])


def test_edited_records_take_the_place_of_the_stored_ones(shop):
    shop.run(*GOOD, *BAD)
    first, second, third = shop.ids()
    edits = {first: '{"id": 3, "amount": 12345.60}', second: '{"id": 4, "amount": "worse"}', third: "{"}
    step, outcome = shop.replay(edits=edits)
    assert (step.loaded, step.rejected) == (1, 2)
    assert shop.rows()[-1] == (3, "12345.60")
    # What stays, stays as it was stored: what is wrong with an edit is said, and not kept.
    assert [(row.id, row.rejected.raw) for row in shop.kept()] == [(second, BAD[1]), (third, BAD[2])]
    assert [row.rejected.rule for row in shop.kept()] == ["primary_key", "type"]
    assert set(outcome.reasons) == {("type", "amount"), ("invalid_json", "")}


def test_only_the_chosen_rows_are_tried(shop):
    shop.run(*BAD, GOOD[0])
    first, second, third = sorted(shop.ids(), key=lambda row_id: int(row_id.partition("-")[2]))
    edits = {row_id: text(number) for number, row_id in enumerate((first, second, third), start=10)}
    assert shop.replay(rule="primary_key", edits=edits)[0].loaded == 1
    assert len(shop.ids()) == 2
    assert second not in shop.ids()
    assert shop.replay(ids=(third,), edits={third: edits[third]})[0].loaded == 1
    assert shop.ids() == [first]
    assert [row[0] for row in shop.rows()] == [1, 11, 12]


@pytest.mark.parametrize("wrong", [{"ids": ("99-9",)}, {"edits": {"99-9": "{}"}}])
def test_an_id_that_is_not_there_is_an_error(shop, wrong):
    shop.run(*BAD, GOOD[0])
    with pytest.raises(ProjectError, match=r"shop\.orders has no row 99-9"):
        shop.replay(**wrong)


def test_a_replay_of_nothing_is_a_success_that_did_nothing(shop):
    shop.run(*GOOD)
    step, _ = shop.replay()
    assert (step.status, step.read, step.batches) == ("success", 0, 0)
    assert shop.rows("SELECT count(*) FROM _bief_loads") == [(1,)]


@pytest.mark.parametrize(
    "raw", ['{"id": "3", "amount": "1", "_surplus": ["x"]}', '{"id": "3", "_missing": ["amount"]}']
)
def test_a_record_of_the_wrong_width_stays_until_its_edit_puts_that_right(shop, raw):
    shop.run(BAD[0], GOOD[0])
    [row_id] = shop.ids()
    step, outcome = shop.replay(edits={row_id: raw})
    assert (step.loaded, list(outcome.reasons)) == (0, [("field_count", "")])
    assert shop.replay(edits={row_id: '{"id": "3", "amount": "1"}'})[0].loaded == 1


@pytest.mark.parametrize(
    "rule", [ColumnRule(hash=True), ColumnRule(mask="email"), ColumnRule(hash=True, rename="person")], ids=str
)
def test_a_row_is_not_loaded_without_the_value_that_is_hidden(shop, rule):
    shape = Shape(columns={**STRICT.columns, "who__mail": rule})
    shop.declare(shape=shape)
    shop.run('{"id": 1, "amount": 1, "who": {"mail": "a@x.fr"}}', '{"id": 3, "amount": "x", "who": {"mail": "b@x.fr"}}')
    [row] = shop.kept()
    assert "b@x.fr" not in row.rejected.raw
    lacking = '{"id": 3, "amount": 3, "who": {}}'
    step, outcome = shop.replay(edits={row.id: lacking})
    assert (step.loaded, list(outcome.reasons)) == (0, [("not_kept", "who__mail")])
    assert shop.kept() == [row], "its own reason is the better one to keep"
    whole = '{"id": 3, "amount": 3, "who": {"mail": "b@x.fr"}}'
    assert shop.replay(edits={row.id: whole})[0].loaded == 1
    column = rule.rename or "who__mail"
    hidden = [value for (value,) in shop.rows(f"SELECT {column} FROM orders ORDER BY id")]
    assert len(set(hidden)) == 2
    assert "b@x.fr" not in hidden


def test_a_hidden_value_may_be_said_to_be_missing_and_a_dropped_one_is_not_asked_for(shop):
    shop.declare(shape=Shape(columns={**STRICT.columns, "mail": ColumnRule(hash=True), "pin": ColumnRule(drop=True)}))
    shop.run('{"id": 1, "amount": 1, "mail": "m", "pin": 1}', '{"id": 3, "amount": "x", "mail": "m", "pin": 2}')
    [row_id] = shop.ids()
    assert shop.replay(edits={row_id: '{"id": 3, "amount": 3, "mail": null}'})[0].loaded == 1
    assert shop.rows("SELECT mail FROM orders WHERE id = 3") == [(None,)]


def test_a_masked_secret_in_an_edit_is_not_loaded(shop):
    shop.redactor.learn("s3cret-of-mine")
    shop.run('{"id": 3, "amount": "x", "note": "s3cret-of-mine"}', GOOD[0])
    [row_id] = shop.ids()
    step, outcome = shop.replay(edits={row_id: '{"id": 3, "amount": 3, "note": "***"}'})
    assert (step.loaded, list(outcome.reasons)) == (0, [("not_kept", "")])
    assert shop.replay(edits={row_id: '{"id": 3, "amount": 3, "note": "free"}'})[0].loaded == 1


def test_what_was_loaded_later_is_not_overwritten(shop):
    shop.run('{"id": 3, "amount": "x", "name": "old"}', GOOD[0])
    [row_id] = shop.ids()
    shop.run('{"id": 3, "amount": 3, "name": "new"}', GOOD[0])
    step, _ = shop.replay(edits={row_id: '{"id": 3, "amount": 3, "name": "old"}'})
    assert (step.read, step.loaded, step.deduplicated) == (1, 0, 1)
    assert shop.rows("SELECT name FROM orders WHERE id = 3") == [("new",)]
    assert shop.ids() == []


def test_with_a_version_column_the_newer_version_wins_whenever_it_came(shop):
    shop.declare(cursor="v")
    shop.run('{"id": 3, "amount": "x", "v": 9}', '{"id": 4, "amount": "x", "v": 1}', GOOD[0])
    edits = dict(zip(shop.ids(), ['{"id": 3, "amount": 3, "v": 9}', '{"id": 4, "amount": 4, "v": 1}'], strict=True))
    shop.run('{"id": 3, "amount": 0, "v": 5}', '{"id": 4, "amount": 0, "v": 5}')
    step, _ = shop.replay(edits=edits)
    assert (step.loaded, step.deduplicated) == (1, 1)
    assert shop.rows("SELECT id, v FROM orders WHERE id > 2 ORDER BY id") == [(3, 9), (4, 5)]


def test_of_several_rejected_versions_the_last_one_is_loaded(shop, monkeypatch):
    monkeypatch.setattr(replaying, "PAGE_ROWS", 1)
    for name in ("first", "second", "third"):
        shop.run(text(3, "x", name=name), GOOD[0])
    edits = {row.id: row.rejected.raw.replace('"x"', "1") for row in shop.kept()}
    step, _ = shop.replay(edits=edits)
    assert (step.read, step.loaded) == (3, 3)
    assert shop.rows("SELECT name FROM orders WHERE id = 3") == [("third",)]


def test_replace_mode_takes_back_only_rows_of_the_round_that_is_published(shop):
    shop.mode = "replace"
    shop.run('{"id": 3, "amount": "x"}', GOOD[0])
    [old] = shop.ids()
    shop.run('{"id": 4, "amount": "x"}', GOOD[0], GOOD[1])
    new = shop.ids()[1]
    edits = {old: '{"id": 3, "amount": 3}', new: '{"id": 4, "amount": 4}'}
    step, _ = shop.replay(edits=edits)
    assert (step.read, step.loaded) == (1, 1)
    assert [row[0] for row in shop.rows()] == [1, 2, 4]
    assert shop.ids() == [old]


def test_replace_mode_keeps_one_row_for_each_key(shop):
    shop.mode = "replace"
    shop.run('{"id": 1, "amount": "x"}', GOOD[0])
    [row_id] = shop.ids()
    step, _ = shop.replay(edits={row_id: '{"id": 1, "amount": 9}'})
    assert (step.loaded, step.deduplicated) == (0, 1)
    assert shop.rows() == [(1, "1.10")]


def test_append_and_history_write_as_their_runs_do(shop):
    shop.mode = "history"
    shop.declare(cursor="v")
    shop.run('{"id": 3, "amount": 1, "v": 1}', '{"id": 3, "amount": "x", "v": 2}')
    [row_id] = shop.ids()
    shop.replay(edits={row_id: '{"id": 3, "amount": 2, "v": 2}'})
    assert shop.rows("SELECT amount, is_current FROM orders ORDER BY v") == [("1.00", 0), ("2.00", 1)]


def test_many_pages_are_one_transaction(shop, monkeypatch):
    monkeypatch.setattr(replaying, "PAGE_ROWS", 7)
    texts = [text(number, f"x{number}") for number in range(100, 150)]
    shop.run(*texts, GOOD[0])
    assert len(shop.ids()) == 50
    shop.declare(shape=LOOSE)
    shop.run('{"id": 1, "amount": "one"}', full_refresh=True)
    step, _ = shop.replay()
    assert (step.read, step.loaded, step.batches) == (50, 50, 1)
    assert shop.ids() == []
    assert len(shop.rows()) == 51
    assert shop.rows("SELECT rows_read, rows_loaded, rows_released FROM _bief_loads ORDER BY load_id DESC LIMIT 1") == [
        (50, 50, 50)
    ]


def test_a_replay_that_is_stopped_moves_nothing(shop, monkeypatch):
    monkeypatch.setattr(replaying, "PAGE_ROWS", 1)
    shop.run(*BAD, GOOD[0])
    before = shop.kept()
    edits = {row_id: text(number) for number, row_id in enumerate(shop.ids(), start=10)}
    real = SqlLoader.write

    def writing(loader, load):
        shop.stop.set()
        return real(loader, load)

    monkeypatch.setattr(SqlLoader, "write", writing)
    shop.replay("cancelled", edits=edits)
    assert (shop.kept(), shop.rows()) == (before, [(1, "1.10")])
    assert shop.rows("SELECT status FROM _bief_steps ORDER BY step_id") == [("success",), ("cancelled",)]


@pytest.mark.parametrize("landed", [True, False], ids=["it had landed", "it had not"])
def test_a_commit_in_doubt_is_settled_by_the_ledger(shop, monkeypatch, landed):
    shop.run(BAD[0], GOOD[0])
    [row_id] = shop.ids()
    real, tries = SqlLoader.end, []

    def doubtful(loader, position):
        tries.append(position)
        if len(tries) > 1:
            return real(loader, position)
        if landed:
            real(loader, position)
            raise CommitInDoubt("no reply came.")
        loader.rollback()
        raise DestinationUnavailable("gone.")

    monkeypatch.setattr(SqlLoader, "end", doubtful)
    step, _ = shop.replay(edits={row_id: '{"id": 3, "amount": 3}'})
    assert (step.read, step.loaded) == (1, 1)
    assert shop.rows() == [(1, "1.10"), (3, "3.00")]
    assert shop.ids() == []
    assert len(tries) == (1 if landed else 2)


def test_a_row_that_the_destination_refuses_stays_with_its_place_in_the_source(shop):
    shop.run(*BAD, GOOD[0])
    with closing(sqlite3.connect(shop.folder / "shop.db")) as connection:
        connection.execute("CREATE UNIQUE INDEX one_amount ON orders (amount)")
    edits = dict(zip(shop.ids(), ['{"id": 3, "amount": 1.10}', '{"id": 4, "amount": 4}', BAD[2]], strict=True))
    step, outcome = shop.replay(edits=edits)
    assert (step.read, step.loaded, step.rejected) == (3, 1, 2)
    assert ("refused", "") in outcome.reasons
    found = {row.rejected.rule: row.rejected for row in shop.kept()}
    assert found["refused"].origin == "record 1"
    assert found["type"].raw == BAD[2]


def test_a_frozen_contract_leaves_the_other_rows_their_way_back(shop):
    shop.run(*BAD, GOOD[0])
    first, *_ = shop.ids()
    shop.pipeline = lambda: Pipeline(
        "shop", "json", shop.source, "warehouse", shop.destination,
        (StreamLoad(shop.source.declared[0], "orders", "merge", Budget.parse("100%"), contract="freeze"),), 1,
    )  # fmt: skip
    step, _ = shop.replay(edits={first: '{"id": 3, "amount": 3}'})
    assert (step.loaded, step.rejected) == (1, 2)
