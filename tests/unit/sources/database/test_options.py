"""What the project file may say of a database stream."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bief.sources.database.postgres import PostgresOptions


def options(**stream):
    return PostgresOptions(url="postgresql://h/d", streams={"s": stream}).streams["s"]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ({"table": "a", "query": "SELECT 1"}, "not both"),
        ({"schema": "a", "query": "SELECT 1"}, "not both"),
        ({"query": "SELECT 1", "parallel": 2}, "one connection"),
        ({"query": " ; "}, "one SELECT"),
        ({"table": "a\x00b"}, "control character"),
        ({"table": ""}, "not empty"),
        ({"cursor": "At", "columns": {"at": {"hash": "sha256"}}}, "cannot be dropped or hidden"),
        ({"cursor": "at", "cursor_timezone": "x'; DROP"}, "pattern"),
        ({"batch_rows": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(stream, words):
    with pytest.raises(ValidationError, match=words):
        options(**stream)


def test_a_query_loses_its_semicolon():
    assert options(query="SELECT 1 ;\n").query == "SELECT 1"
