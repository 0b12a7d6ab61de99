"""Quoting, taken names and staging names."""

from __future__ import annotations

import pytest

from bief.errors import DestinationRefused
from bief.sql.names import quoted, refuse_taken_column, refuse_taken_table, staging_name


@pytest.mark.parametrize(
    ("name", "sql"), [("id", '"id"'), ('a"b', '"a""b"'), ("select", '"select"'), ("é; --", '"é; --"')]
)
def test_a_name_is_quoted(name: str, sql: str):
    assert quoted(name, max_bytes=63) == sql


@pytest.mark.parametrize("name", ["", "a\x00", "a\nb", "\x7f", "x" * 64, "é" * 32])
def test_a_broken_or_too_long_name_is_refused(name: str):
    with pytest.raises(DestinationRefused):
        quoted(name, max_bytes=63)


@pytest.mark.parametrize(
    "name", ["_bief_state", "_BIEF_x", "etl_logs", "Sync_Metadata", "pg_x", "sqlite_x", "orders__new"]
)
def test_taken_tables(name: str):
    with pytest.raises(DestinationRefused, match="taken"):
        refuse_taken_table(name)


def test_history_takes_more_columns():
    refuse_taken_column("valid_from", history=False)
    for name in ("valid_from", "VALID_TO", "is_current", "_loaded_at", "_bief_row"):
        with pytest.raises(DestinationRefused, match="rename"):
            refuse_taken_column(name, history=True)


def test_a_staging_name_fits_and_is_the_tables_own():
    assert staging_name("orders", max_bytes=63) == "orders__new"
    long = [staging_name("é" * 31 + end, max_bytes=63) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name.encode()) <= 63 and name.endswith("__new") for name in long)
