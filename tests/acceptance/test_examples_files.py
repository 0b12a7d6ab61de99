"""The files example, run as a user runs it."""

from __future__ import annotations

import pytest

from projects import project_from


@pytest.fixture
def project(tmp_path):
    return project_from("files", tmp_path / "shop")


def test_each_file_is_loaded_once_and_bad_rows_keep_their_lines(project):
    receipt = project.run()

    counts = {step["stream"]: (step["read"], step["loaded"], step["rejected"]) for step in receipt["steps"]}
    assert counts == {"orders": (80, 78, 2), "customers": (10, 10, 0), "vat": (3, 3, 0)}
    rejected = project.duckdb("SELECT origin, reason FROM _bief_quarantine ORDER BY origin")
    assert [row["origin"] for row in rejected] == ["orders-2026-02.csv, line 21", "orders-2026-02.csv, line 31"]
    assert "'2026-02-31' is not a date" in rejected[0]["reason"]
    assert project.duckdb("SELECT count(*) AS n FROM customers WHERE address__city IS NOT NULL") == [{"n": 10}]
    assert sum(step["read"] for step in project.run()["steps"]) == 0


def test_a_new_file_is_all_that_the_next_run_reads(project):
    project.run()
    (project.folder / "data" / "orders-2026-03.csv").write_text(
        "id;customer_id;ordered_on;amount;note\n2001;1;2026-03-01;10.00;\n1001;1;2026-03-02;11.00;corrected\n"
    )
    receipt = project.run()

    assert receipt["steps"][0]["read"] == 2
    rows = project.duckdb("SELECT id, amount, _file FROM orders WHERE id IN (1001, 2001) ORDER BY id")
    assert [(row["id"], str(row["amount"]), row["_file"]) for row in rows] == [
        (1001, "11.00", "orders-2026-03.csv"),
        (2001, "10.00", "orders-2026-03.csv"),
    ]
