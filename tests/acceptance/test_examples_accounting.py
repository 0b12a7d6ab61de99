"""The accounting example, run as a user runs it. The truth is computed from the company that the simulator plays."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from simulators import EXAMPLES

from projects import project_from

RECORDS = 1000
NO_LIMIT = f"--requests 0 --records {RECORDS}"
REPLACED = {"journals", "ledger_accounts", "categories", "bank_accounts"}


@pytest.fixture(scope="module")
def world_module():
    place = EXAMPLES / "accounting" / "simulator_world.py"
    spec = importlib.util.spec_from_file_location("simulator_world", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulator_world"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulator_world"]


@pytest.fixture
def company(world_module):
    """The company as it is on a day: stream → id → record."""

    def on(day, records=RECORDS):
        world = world_module.World(7, records, [datetime.now(UTC)] * day)
        return {name: {each: stream.record(each) for each in stream.ids} for name, stream in world.streams.items()}

    return on


@pytest.fixture
def project(tmp_path):
    return project_from("accounting", tmp_path / "books", SIMULATOR_FLAGS=NO_LIMIT)


def assert_tables_are(project, truth):
    """Every table holds the company's records, no more and no less, in their newest version."""
    for stream, records in truth.items():
        rows = project.duckdb(
            f"SELECT id, strftime(updated_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') AS updated FROM {stream}"
        )
        assert len(rows) == len(records), stream
        assert {row["id"]: row["updated"] for row in rows} == {
            number: record["updated_at"][:19] for number, record in records.items()
        }
    for stream in ("customer_invoices", "supplier_invoices", "transactions", "ledger_entries", "products"):
        amounts = {row["id"]: row["amount"] for row in project.duckdb(f"SELECT id, amount FROM {stream}")}
        assert amounts == {number: Decimal(record["amount"]) for number, record in truth[stream].items()}
    names = {row["id"]: row["name"] for row in project.duckdb("SELECT id, name FROM customers")}
    assert names == {each: record["name"].strip() for each, record in truth["customers"].items()}
    invoices = project.duckdb("SELECT id, customer__id, invoice_lines FROM customer_invoices")
    for row in invoices:
        record = truth["customer_invoices"][row["id"]]
        assert row["customer__id"] == record["customer"]["id"]
        assert json.loads(row["invoice_lines"]) == record["invoice_lines"]


def test_everything_and_then_only_what_has_changed(project, company):
    first = project.run()
    assert first["verdict"] == "success"
    truth = company(0)
    assert {step["stream"]: step["loaded"] for step in first["steps"]} == {
        stream: len(records) for stream, records in truth.items()
    }
    assert all(step["guarantee"].startswith("exactly-once effect") for step in first["steps"])
    assert_tables_are(project, truth)

    second = project.run()
    assert second["verdict"] == "success"
    assert_tables_are(project, company(1))
    for step in second["steps"]:
        if step["stream"] not in REPLACED:
            assert 0 < step["read"] < len(truth[step["stream"]]) / 5
            assert (step["deleted"] > 0) == (len(truth[step["stream"]]) >= 200)

    project.run()
    assert_tables_are(project, company(2))


def test_money_is_exact_and_has_a_decimal_type(project):
    project.run()
    [column] = project.duckdb(
        "SELECT data_type FROM information_schema.columns "
        "WHERE table_name = 'customer_invoices' AND column_name = 'amount'"
    )
    assert column["data_type"] == "DECIMAL(18,2)"


def test_the_monitoring_queries_of_its_users_work(project):
    project.run()
    logs = project.duckdb(
        "SELECT table_name, AVG(execution_time_seconds), COUNT(*), SUM(CASE WHEN status='failed' THEN 1 ELSE 0 END) "
        "AS failed FROM etl_logs GROUP BY table_name"
    )
    assert len(logs) == 11
    assert all(row["failed"] == 0 for row in logs)
    totals = {row["table_name"]: row["total_records"] for row in project.query("SELECT * FROM sync_metadata")}
    assert sum(totals.values()) == RECORDS


def test_one_failing_stream_does_not_stop_the_others(project, company):
    receipt = project.run(code=3, SIMULATOR_FLAGS=f"{NO_LIMIT} --fail customers=403")
    assert receipt["verdict"] == "partial"
    failed = [step for step in receipt["steps"] if step["status"] != "success"]
    assert [step["stream"] for step in failed] == ["customers"]
    assert "403" in failed[0]["error"]
    [row] = project.duckdb("SELECT count(*) AS rows FROM suppliers")
    assert row["rows"] == len(company(0)["suppliers"])
    # The next run makes up for it.
    assert project.run()["verdict"] == "success"
    assert_tables_are(project, company(1))


def test_a_passing_failure_is_not_noticed(project, company):
    receipt = project.run(SIMULATOR_FLAGS=f"{NO_LIMIT} --fail customers=503:1 --fail products=cut:1")
    assert receipt["verdict"] == "success"
    assert_tables_are(project, company(0))


@pytest.mark.parametrize("kind", ["html", "error"])
def test_an_answer_that_is_no_answer_never_empties_a_table(project, company, kind):
    project.run()
    receipt = project.run(code=3, SIMULATOR_FLAGS=f"{NO_LIMIT} --fail journals={kind}")
    assert [step["stream"] for step in receipt["steps"] if step["status"] == "failed"] == ["journals"]
    [row] = project.duckdb("SELECT count(*) AS rows FROM journals")
    assert row["rows"] == len(company(0)["journals"])


def test_bad_records_are_kept_with_their_reason_and_the_others_loaded(project, company):
    receipt = project.run(SIMULATOR_FLAGS=f"{NO_LIMIT} --bad products=3")
    [products] = [step for step in receipt["steps"] if step["stream"] == "products"]
    count = len(company(0)["products"])
    assert (products["read"], products["loaded"], products["rejected"]) == (count, count - 3, 3)
    kept = project.duckdb("SELECT column_name, reason, raw FROM _bief_quarantine WHERE table_name = 'products'")
    assert [row["column_name"] for row in kept] == ["amount"] * 3
    assert all("n/a" in row["raw"] and row["reason"] for row in kept)


def test_too_many_bad_records_fail_their_stream(project):
    receipt = project.run(code=3, SIMULATOR_FLAGS=f"{NO_LIMIT} --bad transactions=20")
    [failed] = [step for step in receipt["steps"] if step["status"] == "failed"]
    assert (failed["stream"], failed["loaded"]) == ("transactions", 0)


def test_after_more_than_four_weeks_everything_is_read_again(project, company):
    project.run()
    receipt = project.run(SIMULATOR_FLAGS=f"{NO_LIMIT} --ahead-days 30")
    assert receipt["verdict"] == "success"
    # What was deleted in the pause cannot be known; that is why the plan says so.
    read = {step["stream"]: step["read"] for step in receipt["steps"]}
    gone = set(company(0)["customers"]).difference(company(1)["customers"])
    assert read["customers"] == len(company(1)["customers"])
    assert "rows deleted in the pause stay" in receipt["steps"][0]["guarantee"]
    kept = {row["id"] for row in project.duckdb("SELECT id FROM customers")}
    assert kept == set(company(1)["customers"]) | gone
    project.bief("run", "--full-refresh")
    assert_tables_are(project, company(2))


def days(project):
    """How many days the company has lived through: one for each start of the simulator but the first."""
    state = project.folder / ".bief" / "simulator.json"
    return len(json.loads(state.read_text(encoding="utf-8"))["began"]) if state.exists() else -1


def started(project, **flags):
    """A run whose simulator has begun its day: the lease is taken, and answers are on their way."""
    before, process = days(project), project.start("run", **flags)
    deadline = time.monotonic() + 30
    while days(project) == before:
        assert process.poll() is None, project.finish(process).err
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_killed_again_and_again_it_ends_with_the_truth(project, company):
    # With 16 pages or more, four at a time and 0.3 s each, a full read takes longer than the longest wait here.
    slow = {"SIMULATOR_FLAGS": f"{NO_LIMIT} --latency-ms 300"}
    for seconds in (0.2, 0.4, 0.6, 0.8):
        process = started(project, **slow)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        assert project.finish(process).code == -signal.SIGKILL
        wait_for_the_lease(project)
    project.run()
    assert_tables_are(project, company(days(project)))


def wait_for_the_lease(project):
    """The lease of a killed run may outlive it by some seconds: a small stream shows when it has ended."""
    deadline = time.monotonic() + 60
    while project.finish(project.start("run", "--select", "journals")).code != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_two_runs_at_once_do_not_mix(project, company):
    one = started(project, SIMULATOR_FLAGS=f"{NO_LIMIT} --latency-ms 2500")
    refused = project.bief("run", code=1)
    assert "is being run by" in refused.err
    assert project.finish(one).code == 0
    project.run()
    assert_tables_are(project, company(days(project)))


def test_check_and_plan_change_nothing(project):
    assert "is valid" in project.bief("check").out
    assert "exactly-once effect" in project.bief("plan").out
    assert not (project.folder / "accounting.duckdb").exists()


def test_two_lines_of_the_project_file_choose_postgresql(project):
    project.change("  warehouse: {type: duckdb, path: accounting.duckdb}\n", "")
    project.change("  # warehouse: {type: postgres", "  warehouse: {type: postgres")
    told = project.bief("check", DATABASE_URL="postgresql://somebody:secret@localhost/books")
    assert "is valid" in told.out
    missing = project.bief("check", code=2)
    assert "DATABASE_URL" in missing.err + missing.out
