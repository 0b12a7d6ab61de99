"""The file of corrected records: what it may hold, and how each wrong line is told."""

from __future__ import annotations

import pytest

from bief.errors import ProjectError
from bief.run.edits import read_edits


def edits(folder, text: str | bytes) -> dict[str, str]:
    file = folder / "rows.jsonl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_edits(file)


def test_an_object_keeps_its_text_with_all_its_digits(tmp_path):
    line = '{"id": "17-3", "rule": "type", "raw": {"amount": 1.10, "big": 12345678901234567890.5}, "more": 1}\n\n'
    assert edits(tmp_path, line) == {"17-3": '{"amount": 1.10, "big": 12345678901234567890.5}'}


def test_a_text_is_the_record_itself(tmp_path):
    line = b'\xef\xbb\xbf{"id": "1-1", "raw": "{\\"name\\": \\"\\u00e9\\"}"}\r\n{"id": "1-2", "raw": [1]}'
    assert edits(tmp_path, line) == {"1-1": '{"name": "é"}', "1-2": "[1]"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "1-1"}', "missing required field `raw`"),
        ('{"raw": {}}', "missing required field `id`"),
        ('{"id": 7, "raw": {}}', "Expected `str`"),
        ("id,raw", "malformed"),
        ('{"id": "1-1", "raw": {}} x', "malformed"),
        ('{"id": "1-1", "raw": "\\ud800"}', "cannot be read"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, says):
    with pytest.raises(ProjectError) as told:
        edits(tmp_path, f'{{"id": "1-0", "raw": {{}}}}\n{line}\n')
    [problem] = told.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "rows.jsonl"), 2)
    assert says in problem.what
    assert "list --json" in problem.do


def test_all_wrong_lines_are_told_at_once_and_no_row_stands_there_twice(tmp_path):
    same = '{"id": "1-1", "raw": {}}\n'
    with pytest.raises(ProjectError) as told:
        edits(tmp_path, f"{same}{{}}\n{same}")
    assert [problem.line for problem in told.value.problems] == [2, 3]


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ProjectError, match="No such file"):
        read_edits(tmp_path / "nothing.jsonl")
