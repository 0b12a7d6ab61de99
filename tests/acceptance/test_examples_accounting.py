"""The accounting example, run as a user runs it. The truth is computed from the company that the simulator plays."""

from __future__ import annotations

import importlib.util
import signal
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from projects import project_from
from simulators import EXAMPLES

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


def total(records, column):
    return sum(Decimal(record[column]) for record in records.values())


def assert_tables_are(project, truth):
    """Every table holds the company's records, no more and no less, in their newest version."""
    for stream, records in truth.items():
        rows = project.query(f"SELECT id, CAST(updated_at AS text) AS updated FROM {stream} ORDER BY id")
        assert [row["id"] for row in rows] == sorted(records), stream
        seconds = {row["id"]: row["updated"][:19].replace("T", " ") for row in rows}
        assert seconds == {each: record["updated_at"][:19].replace("T", " ") for each, record in records.items()}
    for stream in ("customer_invoices", "supplier_invoices", "transactions", "ledger_entries", "products"):
        [row] = project.query(f"SELECT CAST(sum(amount) AS text) AS total FROM {stream}")
        assert Decimal(row["total"]) == total(truth[stream], "amount")
    names = {row["id"]: row["name"] for row in project.query("SELECT id, name FROM customers")}
    assert names == {each: record["name"].strip() for each, record in truth["customers"].items()}
    nested = {row["id"]: row["who"] for row in project.query("SELECT id, customer__id AS who FROM customer_invoices")}
    assert nested == {each: record["customer"]["id"] for each, record in truth["customer_invoices"].items()}


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
    [column] = project.query(
        "SELECT data_type FROM information_schema.columns "
        "WHERE table_name = 'customer_invoices' AND column_name = 'amount'"
    )
    assert column["data_type"] == "DECIMAL(18,2)"


def test_the_monitoring_queries_of_its_users_work(project):
    project.run()
    logs = project.query(
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
    [row] = project.query("SELECT count(*) AS rows FROM suppliers")
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
    [row] = project.query("SELECT count(*) AS rows FROM journals")
    assert row["rows"] == len(company(0)["journals"])


def test_bad_records_are_kept_with_their_reason_and_the_others_loaded(project, company):
    project.change("    mode: merge\n", "    mode: merge\n    max_rejected: 5\n")
    receipt = project.run(SIMULATOR_FLAGS=f"{NO_LIMIT} --bad products=3")
    [products] = [step for step in receipt["steps"] if step["stream"] == "products"]
    count = len(company(0)["products"])
    assert (products["read"], products["loaded"], products["rejected"]) == (count, count - 3, 3)
    kept = project.query("SELECT column_name, reason, raw FROM _bief_quarantine WHERE table_name = 'products'")
    assert [row["column_name"] for row in kept] == ["amount"] * 3
    assert all("n/a" in row["raw"] and row["reason"] for row in kept)


def test_too_many_bad_records_fail_their_stream(project):
    receipt = project.run(code=3, SIMULATOR_FLAGS=f"{NO_LIMIT} --bad products=3")
    assert [step["stream"] for step in receipt["steps"] if step["status"] == "failed"] == ["products"]


def test_after_more_than_four_weeks_everything_is_read_again(project, company):
    project.run()
    receipt = project.run(SIMULATOR_FLAGS=f"{NO_LIMIT} --ahead-days 30")
    assert receipt["verdict"] == "success"
    truth = company(1)
    read = {step["stream"]: step["read"] for step in receipt["steps"]}
    assert read["customers"] >= len(truth["customers"])
    assert_tables_are(project, truth)


def test_killed_again_and_again_it_ends_with_the_truth(project, company):
    flags = {"SIMULATOR_FLAGS": f"{NO_LIMIT} --latency-ms 15"}
    kills = 0
    for seconds in (0.9, 1.2, 1.5, 1.8):
        process = project.start("run", "--json", **flags)
        time.sleep(seconds)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert kills >= 1
    # A lease outlives a killed run by some seconds.
    deadline = time.monotonic() + 60
    while project.start("run", **flags).wait() != 0:
        assert time.monotonic() < deadline
        time.sleep(1)
    project.run()
    days = project.folder / ".bief" / "simulator.json"
    day = days.read_text(encoding="utf-8").count("T")
    assert_tables_are(project, company(day))


def test_two_runs_at_once_do_not_mix(project, company):
    one = project.start("run", SIMULATOR_FLAGS=f"{NO_LIMIT} --latency-ms 20")
    time.sleep(1.0)
    other = project.start("run", SIMULATOR_FLAGS=f"{NO_LIMIT} --latency-ms 20")
    codes = sorted(process.wait(timeout=60) for process in (one, other))
    for process in (one, other):
        process.communicate()
    assert codes == [0, 1]
    project.run()
    day = (project.folder / ".bief" / "simulator.json").read_text(encoding="utf-8").count("T")
    assert_tables_are(project, company(day))


def test_check_and_plan_change_nothing(project):
    assert "accounting" in project.bief("check").out or project.bief("check").code == 0
    project.bief("plan")
    assert not (project.folder / "accounting.duckdb").exists()
