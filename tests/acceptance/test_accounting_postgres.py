"""The accounting example into a real PostgreSQL: what its users rely on, seen from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import psycopg
import pytest
import simulators

TABLES = {
    "customer_invoices",
    "supplier_invoices",
    "customers",
    "suppliers",
    "transactions",
    "ledger_entries",
    "products",
    "journals",
    "ledger_accounts",
    "categories",
    "bank_accounts",
}
AVERAGES = """SELECT table_name, AVG(execution_time_seconds), COUNT(*), SUM(CASE WHEN status='failed' THEN 1 ELSE 0 END)
FROM pennylane.etl_logs GROUP BY table_name;"""
FRESHNESS = "SELECT * FROM pennylane.sync_metadata;"
RECORDS = 3000


class Office:
    """A project folder made from the example, a database, and the API of each day."""

    def __init__(self, folder, url):
        self.folder, self.url = folder / "office", url
        self.bief("init", str(self.folder), "--example", "accounting", inside=False)
        self.use_postgres("pennylane")
        project = self.folder / "bief.yaml"
        text = project.read_text(encoding="utf-8")
        # The server of these tests has no limit: keeping one anyway would only make them wait.
        project.write_text(re.sub(r"(?m)^ *rate_limit: .*\n", "", text), encoding="utf-8")

    def use_postgres(self, schema):
        project = self.folder / "bief.yaml"
        text = project.read_text(encoding="utf-8")
        warehouse = f'  warehouse: {{type: postgres, url: "${{DATABASE_URL}}", schema: {schema}}}'
        project.write_text(re.sub(r"(?m)^  warehouse: .*$", warehouse, text, count=1), encoding="utf-8")

    def day(self, *flags):
        """The API on the next day of the company."""
        state = self.folder.parent / "company.json"
        return simulators.running("accounting", "--records", RECORDS, "--requests", 0, "--state", state, *flags)

    def bief(self, *words, api="http://127.0.0.1:9", inside=True, expect=0):
        process = self.start(*words, api=api, inside=inside)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == expect, output + errors
        return output, errors

    def start(self, *words, api="http://127.0.0.1:9", inside=True):
        environment = {**os.environ, "PENNYLANE_BASE_URL": api, "DATABASE_URL": self.url, "NO_COLOR": "1"}
        place = ["-C", str(self.folder)] if inside else []
        command = [sys.executable, "-m", "bief", *place, *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, api, *words, expect=0):
        return json.loads(self.bief("run", "--json", *words, api=api.url, expect=expect)[0])

    def ask(self, sql):
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def checksums(self, schema):
        """Rows and an order-independent checksum of each table, without Bief's own columns."""
        found = {}
        for table in TABLES:
            (columns,) = self.ask(
                f"""SELECT string_agg(quote_ident(column_name), ',' ORDER BY column_name)
                FROM information_schema.columns
                WHERE table_schema = '{schema}' AND table_name = '{table}' AND column_name NOT LIKE '\\_load%'"""
            )[0]
            rows = f"(SELECT {columns} FROM {schema}.{table}) AS kept"
            found[table] = self.ask(f"SELECT count(*), sum(hashtextextended(kept::text, 0)::numeric) FROM {rows}")[0]
        return found

    def positions(self):
        return dict(self.ask("SELECT stream, position::text FROM pennylane._bief_state"))


@pytest.fixture
def office(tmp_path, postgres_url):
    return Office(tmp_path, postgres_url)


def test_full_then_incremental_equals_a_fresh_full_load(office):
    with office.day() as api:
        first = office.run(api)
    assert {step["table"] for step in first["steps"]} == TABLES
    before = office.checksums("pennylane")

    with office.day() as api:
        second = office.run(api)
        office.use_postgres("fresh")
        office.run(api, "--full-refresh")

    assert office.checksums("pennylane") == office.checksums("fresh")
    assert office.checksums("pennylane") != before
    incremental = [step for step in second["steps"] if step["mode"] == "merge"]
    assert sum(step["deleted"] for step in incremental) > 0
    assert 0 < sum(step["loaded"] for step in incremental) < RECORDS / 4
    for step in (*first["steps"], *second["steps"]):
        assert step["read"] == step["loaded"] + step["rejected"] + step["filtered"] + step["deduplicated"]


def test_the_two_monitoring_queries_run_as_they_are(office):
    with office.day() as api:
        office.run(api)
        office.run(api, "--select", "customers")

    averages = {row[0]: row[1:] for row in office.ask(AVERAGES)}
    assert set(averages) == TABLES
    assert averages["customers"][1:] == (2, 0)
    assert all(seconds >= 0 for seconds, _, _ in averages.values())
    with psycopg.connect(office.url) as connection:
        cursor = connection.execute(FRESHNESS)
        assert [column.name for column in cursor.description] == ["table_name", "last_sync_date", "total_records"]
        totals = {row[0]: row[2] for row in cursor.fetchall()}
    assert totals == {table: count for table, (count, _) in office.checksums("pennylane").items()}


def test_money_arrives_exactly_and_names_are_flat(office):
    with office.day() as api:
        office.run(api, "--select", "customer_invoices")
        expected = {record["id"]: record for record in api.every("/customer_invoices", limit=100)}

    rows = office.ask("SELECT id, amount::text, customer__id FROM pennylane.customer_invoices")
    assert {row[0]: row[1:] for row in rows} == {
        number: (record["amount"], record["customer"]["id"]) for number, record in expected.items()
    }


def test_a_failing_stream_leaves_the_others_alone_and_its_cursor_where_it_was(office):
    with office.day() as api:
        office.run(api)
    before = office.positions()

    with office.day("--fail", "products=403") as api:
        receipt = office.run(api, expect=3)

    assert receipt["verdict"] == "partial"
    failed = [step for step in receipt["steps"] if step["status"] != "success"]
    assert [step["stream"] for step in failed] == ["products"]
    assert "403" in failed[0]["error"]
    after = office.positions()
    assert after["products"] == before["products"]
    assert after["customers"] != before["customers"]
    assert office.ask("SELECT status FROM pennylane.etl_logs WHERE table_name = 'products' ORDER BY id") == [
        ("success",),
        ("failed",),
    ]


def test_a_second_run_at_once_is_refused_with_a_clear_message(office):
    with office.day("--latency-ms", 300) as api:
        first = office.start("run", "--json", api=api.url)
        while "running" not in office.bief("runs", "--json")[0]:
            time.sleep(0.1)
        _, errors = office.bief("run", "--json", api=api.url, expect=1)
        first.terminate()
        first.communicate(timeout=60)

    assert re.search(r"pipeline 'pennylane' is being run by run \S+ \(process \d+ on ", errors)
    assert "Wait until that run ends" in errors
