"""A large CSV file with bad rows of ten kinds: each of them in the quarantine and nothing else; mended, all are loaded.

`BIEF_BAD_ROWS_OF` sets the size of the file (1,000,000 for the whole proof).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import dirty_csv
import pytest

from projects import ProjectFolder

ROWS = int(os.environ.get("BIEF_BAD_ROWS_OF", "60000"))
BAD = max(ROWS // 1000, 60)
PROJECT = f"""
project: dirt
sources:
  exports:
    type: files
    path: data
    streams:
      customers:
        files: "customers.csv"{dirty_csv.COLUMNS}
destinations:
  warehouse: DESTINATION
pipelines:
  load:
    source: exports
    destination: warehouse
    mode: append
    max_rejected: {BAD}
    checks:{dirty_csv.CHECKS}
"""
TRUTH = "SELECT count(*) AS n, sum(id) AS ids, sum(visits) AS visits, count(DISTINCT code) AS codes FROM {table}"


@pytest.fixture(params=["postgres", "duckdb"])
def project(request, tmp_path):
    folder = tmp_path / "dirt"
    (folder / "data").mkdir(parents=True)
    declared = "{type: duckdb, path: dirt.duckdb}"
    if request.param == "postgres":
        declared = f'{{type: postgres, url: "{request.getfixturevalue("postgres_url")}", schema: dirt}}'
    (folder / "bief.yaml").write_text(PROJECT.replace("DESTINATION", declared), encoding="utf-8")
    return ProjectFolder(folder)


def as_loaded(project: ProjectFolder, ids: str) -> list[dict]:
    return project.query(
        "SELECT id, name, email, status, CAST(signed_up AS text) AS signed_up, CAST(balance AS text) AS balance,"
        f" visits, active, code, note FROM customers WHERE id IN ({ids}) ORDER BY id"
    )


def as_written(numbers: list[int]) -> list[dict]:
    rows = []
    for number in sorted(numbers):
        row = dict(zip(dirty_csv.HEADER, dirty_csv.good_row(number), strict=True))
        del row["seen_at"]
        rows.append({**row, "id": number, "visits": int(row["visits"]), "active": row["active"] == "true"})
    return rows


@pytest.mark.timeout(900)
def test_exactly_the_bad_rows_are_set_aside_and_come_back_when_mended(project: ProjectFolder):
    planted = dirty_csv.write(project.folder / "data" / "customers.csv", ROWS, BAD)
    assert Counter(bad.kind for bad in planted).keys() == dirty_csv.KINDS.keys()
    receipt = project.run()
    [step] = receipt["steps"]
    assert (step["read"], step["loaded"], step["rejected"]) == (ROWS, ROWS - BAD, BAD)

    listed = project.bief("quarantine", "list", "load.customers", "-n", str(BAD), "--json").out
    kept = [json.loads(line) for line in listed.splitlines()]
    found = {int(re.fullmatch(r"customers\.csv, line (\d+)", row["origin"])[1]): row for row in kept}
    assert {line: (row["rule"], row["column"]) for line, row in found.items()} == {
        bad.line: dirty_csv.KINDS[bad.kind] for bad in planted
    }
    assert all(row["reason"] and row["raw"] for row in kept)

    project.bief("quarantine", "replay", "load", "--yes")
    assert project.query("SELECT count(*) AS n FROM _bief_quarantine") == [{"n": BAD}]
    edits = project.folder / "edits.jsonl"
    ids = {line: row["id"] for line, row in found.items()}
    edits.write_text("\n".join(map(json.dumps, dirty_csv.corrections(planted, ids))), encoding="utf-8")
    project.bief("quarantine", "replay", "load", "--edits", str(edits), "--yes")

    assert project.query("SELECT count(*) AS n FROM _bief_quarantine") == [{"n": 0}]
    [truth] = project.query(TRUTH.format(table="customers"))
    assert {name: int(value) for name, value in truth.items()} == {
        "n": ROWS,
        "ids": ROWS * (ROWS - 1) // 2,
        "visits": sum(number % 1000 for number in range(ROWS)),
        "codes": min(ROWS, 100_000),
    }
    mended = [int(bad.fields[0]) for bad in planted]
    assert as_loaded(project, ",".join(map(str, mended))) == as_written(mended)


def test_one_bad_row_too_many_fails_the_run_and_loads_nothing(project: ProjectFolder):
    dirty_csv.write(Path(project.folder / "data" / "customers.csv"), 5000, BAD + 1)
    receipt = project.run(code=1)
    assert "max_rejected" in receipt["steps"][0]["error"]
    assert receipt["steps"][0]["loaded"] == 0
    assert project.query("SELECT count(*) AS n FROM _bief_loads") == [{"n": 0}]
