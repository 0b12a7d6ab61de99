"""Contracts and checks where loads have parts, commits are in doubt, and streams depend on each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checked_runs import CheckedRuns
from list_source import ListSource
from places import place_of

from bief.config.checks import CheckOptions
from bief.errors import CommitInDoubt, SourceChanged
from bief.guard.budget import Budget
from bief.guard.checks import checks_of
from bief.ports.source import Stream
from bief.run.plan import StreamLoad
from bief.sql.loading import SqlLoader


@pytest.fixture
def runs(tmp_path):
    place = place_of("sqlite", tmp_path)
    place.first.prepare()
    yield CheckedRuns(place, tmp_path)
    place.close()


def stream_load(name, *checks, **more):
    options = [CheckOptions.model_validate(check) for check in checks]
    declared = Stream(name, primary_key=("id",))
    return StreamLoad(declared, name, "merge", Budget.parse("100%"), checks=checks_of(options), **more)


@pytest.fixture
def in_parts(monkeypatch):
    """Only the last batch of a read has a position: all batches are one load."""
    whole = ListSource._batch

    def part(self, rows, position):
        batch = whole(self, rows, position)
        return batch if position.complete else replace(batch, position=None)

    monkeypatch.setattr(ListSource, "_batch", part)


def test_a_frozen_table_fails_the_load_of_a_new_column_and_nothing_changes(runs):
    runs.load("orders", [{"id": 1, "a": 1}], contract="freeze")
    receipt = runs.load("orders", [{"id": 2, "a": 2, "b": "x"}], contract="freeze")
    assert receipt.verdict == "failed"
    assert "row 1 breaks the contract 'freeze': column 'b': the table has no column 'b'." in receipt.steps[0].error
    assert runs.place.all("orders") == [{"id": 1, "a": 1}]
    wrong = runs.load("orders", [{"id": 2, "a": "two"}], contract="freeze")
    assert "column 'a': 'two' is not an integer" in wrong.steps[0].error
    assert runs.quarantine() == []
    assert runs.load("orders", [{"id": 2, "a": 2, "b": "x"}]).verdict == "success"
    assert runs.place.all("orders") == [{"id": 1, "a": 1, "b": None}, {"id": 2, "a": 2, "b": "x"}]


def test_a_diverting_table_never_changes_and_sets_the_misfits_aside(runs):
    runs.load("orders", [{"id": 1, "a": 1}], contract="divert")
    rows = [{"id": 2, "a": 2, "b": None}, {"id": 3, "a": 3, "b": "x"}]
    receipt = runs.load("orders", rows, contract="divert")
    assert (receipt.verdict, receipt.total("rejected")) == ("success", 1)
    runs.load("orders", [{"id": 4, "a": 1.5}, {"id": 5, "a": 5.0}], contract="divert")
    assert runs.place.all("orders") == [{"id": 1, "a": 1}, {"id": 2, "a": 2}, {"id": 5, "a": 5}]
    assert [row[:3] for row in runs.quarantine()] == [("row 1", "contract", "a"), ("row 2", "contract", "b")]


@pytest.mark.parametrize("contract", ["freeze", "divert"])
@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_the_load_that_makes_the_table_makes_it_with_all_its_parts(runs, in_parts, contract, mode):
    rows = [{"id": 1, "a": 1}, {"id": 2, "b": "x"}, {"id": 3, "c": 1.5}]
    receipt = runs.load("orders", rows, contract=contract, mode=mode, batch_rows=1)
    assert receipt.verdict == "success"
    assert set(runs.place.all("orders")[0]) == {"id", "a", "b", "c"}
    rows = [{"id": 4, "a": 4}, {"id": 5, "d": "y"}]
    receipt = runs.load("orders", rows, contract=contract, mode=mode, batch_rows=1)
    assert receipt.verdict == ("failed" if contract == "freeze" else "success")
    assert set(runs.place.all("orders")[0]) == {"id", "a", "b", "c"}
    assert runs.load("orders", rows, contract=contract, mode=mode, full_refresh=True).verdict == "success"
    assert set(runs.place.all("orders")[0]) >= {"id", "a"}


def test_a_failing_check_takes_back_all_parts_of_its_load(runs, in_parts):
    rows = [{"id": number, "a": number} for number in range(6)]
    receipt = runs.load("orders", rows, {"range": {"column": "a", "max": 4}, "severity": "fail"}, batch_rows=2)
    assert receipt.verdict == "failed"
    assert not runs.has("orders")
    receipt = runs.load("orders", rows, {"range": {"column": "a", "max": 4}}, {"row_count": {"min": 5}}, batch_rows=2)
    assert (receipt.verdict, runs.ids("orders")) == ("success", [0, 1, 2, 3, 4])


def test_what_failed_before_a_failing_check_stays_and_is_counted(runs):
    rows = [{"id": number, "a": number} for number in range(6)]
    checks = [{"range": {"column": "a", "max": 4}, "severity": "fail"}, {"range": {"column": "a", "min": 1}}]
    receipt = runs.load("orders", rows, *checks, batch_rows=2)
    assert receipt.verdict == "failed"
    assert runs.ids("orders") == [1, 2, 3]
    assert [(check.severity, check.rows_failed) for check in receipt.steps[0].checks] == [("fail", 1), ("reject", 1)]


def test_a_commit_in_doubt_that_landed_does_not_meet_its_own_rows(runs, monkeypatch):
    """The rows are in the table when the load is tried again: a check against the table must not call them twice."""
    end, doubts = SqlLoader.end, []

    def end_without_reply(self, position):
        committed = end(self, position)
        if not doubts:
            doubts.append(committed)
            raise CommitInDoubt("the reply was lost.")
        return committed

    monkeypatch.setattr(SqlLoader, "end", end_without_reply)
    rows = [{"id": number, "code": code} for number, code in enumerate("aab")]
    receipt = runs.load("orders", rows, {"unique": ["code"]}, mode="append", key=())
    assert len(doubts) == 1
    assert receipt.verdict == "success"
    assert (receipt.total("loaded"), receipt.total("rejected")) == (2, 1)
    assert receipt.steps[0].checks[0].rows_failed == 1
    assert runs.ids("orders") == [0, 2]


def test_rows_that_are_read_again_are_counted_once(runs, in_parts, monkeypatch):
    read, turns = ListSource.read, []

    def changed_once(self, stream, since):
        for number, batch in enumerate(read(self, stream, since)):
            if number == 1 and not turns:
                turns.append(number)
                raise SourceChanged("the file was replaced.")
            yield batch

    monkeypatch.setattr(ListSource, "read", changed_once)
    rows = [{"id": 1, "code": None}, {"id": 2, "code": "a"}, {"id": 3, "code": None}, {"id": 4, "code": "b"}]
    receipt = runs.load("orders", rows, {"not_null": ["code"]}, batch_rows=2)
    assert turns == [1]
    assert receipt.steps[0].checks[0].rows_failed == 2
    assert (receipt.total("read"), receipt.total("rejected")) == (4, 2)


CUSTOMERS = [{"id": number} for number in range(50)]
ORDERS = [{"id": number, "customer_id": number % 60} for number in range(120)]
KNOWN_CUSTOMER = {"relationship": {"column": "customer_id", "to": "customers.id"}}


def test_a_stream_is_loaded_after_the_one_its_relationship_leads_to(runs):
    loads = [stream_load("orders", KNOWN_CUSTOMER), stream_load("customers")]
    receipt = runs.run(loads, {"orders": ORDERS, "customers": CUSTOMERS}, batch_rows=10)
    assert [step.stream for step in receipt.steps] == ["orders", "customers"]
    assert [step.loaded for step in receipt.steps] == [100, 50]
    assert receipt.steps[0].checks[0].rows_failed == 20


def test_a_stream_is_not_loaded_when_the_one_its_relationship_leads_to_fails(runs):
    loads = [stream_load("orders", KNOWN_CUSTOMER), stream_load("customers", {"row_count": {"min": 99}})]
    receipt = runs.run(loads, {"orders": ORDERS, "customers": CUSTOMERS})
    assert [step.status for step in receipt.steps] == ["failed", "failed"]
    assert receipt.steps[0].error.startswith("Not loaded: its checks look at the table of customers")
    assert not runs.has("orders")


def test_examples_in_the_receipt_are_few(runs):
    rows = [{"id": number, "code": None if number else "x"} for number in range(40)]
    receipt = runs.load("orders", rows, {"not_null": ["code"], "severity": "warn"}, batch_rows=3)
    (check,) = receipt.steps[0].checks
    assert check.rows_failed == 39
    assert len(check.examples) == 5
