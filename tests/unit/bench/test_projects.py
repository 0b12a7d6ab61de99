"""The projects that are measured, and the data that they load."""

from __future__ import annotations

import csv
import shutil

import pytest

import data
from bief import Project
from suite.peers import BENCH

PROJECTS = sorted(path.name for path in (BENCH / "projects").iterdir())


@pytest.mark.parametrize("name", PROJECTS)
def test_each_project_is_valid(name, tmp_path, monkeypatch):
    shutil.copytree(BENCH / "projects" / name, tmp_path / name)
    for variable in ("BENCH_FOLDER", "BENCH_FILE", "BENCH_API_URL", "BENCH_DATABASE_URL"):
        value = {"BENCH_FILE": "orders.csv", "BENCH_API_URL": "http://127.0.0.1:1"}.get(variable, str(tmp_path))
        monkeypatch.setenv(variable, "postgresql://127.0.0.1:1/x" if variable == "BENCH_DATABASE_URL" else value)
    project = Project.load(tmp_path / name)
    assert project.pipelines() == ["load"]
    project.close()


def test_one_row_in_a_thousand_is_spoilt_and_the_others_are_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    clean = data.orders(10_000).read_bytes().splitlines()
    broken = data.broken_orders(10_000).read_bytes().splitlines()
    differ = [number for number, (one, other) in enumerate(zip(clean, broken, strict=True)) if one != other]
    assert differ == list(range(501, 10_000, 1000))
    assert len({broken[number] for number in differ}) == 10


def test_the_changed_file_has_the_same_ids_and_three_rows_in_ten_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    before, after = (
        list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        for path in (data.orders(1000), data.changed_orders(1000))
    )
    assert [row[0] for row in before] == [row[0] for row in after]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 300
