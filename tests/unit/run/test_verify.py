"""What is compared with what: rejected rows, new columns, deletes, versions, and a source that fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
import pytest
from table_source import Bench, TableSource

from bief.batches.schema import INTEGER, TEXT, type_named
from bief.batches.shaping import ColumnRule, Shape
from bief.destinations.sqlite import SqliteDestination
from bief.errors import ProjectError, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.ports.source import Stream

ORDERS = Stream("orders", primary_key=("id",), cursor="version")
ROWS = pa.table({"id": [1, 2, 3], "label": ["a", "b", "c"], "version": [1, 2, 3]})


@pytest.fixture
def bench(tmp_path):
    destination = SqliteDestination("warehouse", SqliteDestination.Options(path="shop.db"), Runtime(folder=tmp_path))
    made = Bench(TableSource([ORDERS], {"orders": ROWS}), destination, tmp_path)
    yield made
    destination.close()


def by_hand(bench, *statements):
    with closing(sqlite3.connect(bench.folder / "shop.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def verdict(bench, **how):
    [found] = bench.verify(**how)
    return found


def declare(bench, **stream):
    bench.source.declared = [replace(bench.source.declared[0], **stream)]


def test_the_source_is_read_from_its_beginning(bench):
    bench.run()
    bench.source.reads.clear()
    assert verdict(bench).equal
    assert bench.source.reads == [("orders", None)]


def test_before_the_first_run_every_row_is_missing(bench):
    found = verdict(bench)
    assert (found.table_exists, found.missing, found.last_load) == (False, 3, None)
    assert not found.equal


def test_an_empty_source_without_a_table_is_equal(bench):
    bench.source.tables["orders"] = ROWS.slice(0, 0)
    assert verdict(bench).equal


def test_rows_that_the_guard_rejects_are_looked_for_in_the_quarantine(bench):
    declare(bench, shape=Shape(columns={"label": ColumnRule(type=type_named("integer"))}))
    bench.source.tables["orders"] = ROWS.set_column(1, "label", pa.array(["1", "two", "3"], TEXT))
    bench.run()
    found = verdict(bench)
    assert (found.equal, found.rejected, found.unaccounted, found.source_rows) == (True, 1, 0, 2)
    by_hand(bench, "DELETE FROM _bief_quarantine")
    found = verdict(bench)
    assert (found.equal, found.rejected, found.unaccounted, found.missing) == (False, 1, 1, 0)


def test_rows_that_the_database_refused_are_looked_for_in_the_quarantine(bench):
    bench.source.tables["orders"] = ROWS.slice(0, 1)
    bench.run()
    by_hand(bench, "CREATE TRIGGER no_c BEFORE INSERT ON orders WHEN NEW.label = 'c' "
            "BEGIN SELECT RAISE(ABORT, 'no c here'); END")  # fmt: skip
    bench.source.tables["orders"] = ROWS
    assert bench.run().total("rejected") == 1
    found = verdict(bench)
    assert (found.equal, found.refused, found.missing) == (True, 1, 0)
    by_hand(bench, "DELETE FROM _bief_quarantine")
    assert verdict(bench).missing == 1


def test_rows_that_break_a_check_among_rows_are_looked_for_in_the_quarantine(bench):
    bench.checks = [{"unique": ["label"]}, {"range": {"column": "version", "max": 2}}]
    bench.source.tables["orders"] = pa.table({"id": [1, 2, 3], "label": ["a", "a", "c"], "version": [1, 2, 3]})
    bench.run()
    found = verdict(bench)
    assert (found.equal, found.rejected, found.refused, found.destination_rows) == (True, 1, 1, 1)
    by_hand(bench, "DELETE FROM _bief_quarantine")
    found = verdict(bench)
    assert (found.equal, found.unaccounted, found.missing) == (False, 1, 1)


def test_a_frozen_table_is_compared_row_by_row_and_fails_nothing(bench):
    bench.run()
    bench.contract = "freeze"
    bench.source.tables["orders"] = ROWS.set_column(2, "version", pa.array(["1", "two", "3"], TEXT))
    found = verdict(bench)
    assert (found.equal, found.unaccounted, found.extra, found.changed) == (False, 1, 1, 0)


def test_a_column_that_the_table_lacks_is_a_difference(bench):
    bench.run()
    bench.source.tables["orders"] = ROWS.append_column("extra", pa.array(["x", None, None], TEXT))
    found = verdict(bench)
    assert (found.equal, found.new_columns, found.changed) == (False, ("extra",), 0)


def test_a_column_that_the_source_lacks_counts_as_null(bench):
    bench.run()
    bench.source.tables["orders"] = ROWS.drop_columns(["label"])
    assert verdict(bench).changed == 3


def test_rows_deleted_by_the_source_are_not_expected(bench):
    declare(bench, deletes=True)
    bench.source.deleted["orders"] = pa.table({"id": pa.array([2], INTEGER)})
    bench.run()
    found = verdict(bench)
    assert (found.equal, found.source_rows, found.destination_rows) == (True, 2, 2)


def test_an_older_version_after_a_newer_one_is_not_expected(bench):
    declare(bench, incremental=True)
    bench.source.batch_rows = 1
    bench.source.tables["orders"] = pa.table({"id": [1, 1], "label": ["new", "old"], "version": [9, 1]})
    bench.run()
    found = verdict(bench)
    assert (found.equal, found.source_rows, found.repeated) == (True, 1, 1)


def test_what_changed_in_the_source_since_the_load_is_told_and_can_be_left_out(bench):
    bench.run()
    bench.source.tables["orders"] = pa.table({"id": [1, 2, 4], "label": ["a", "B", "d"], "version": [1, 8, 9]})
    found = verdict(bench)
    assert (found.missing, found.extra, found.changed, found.newer) == (1, 1, 1, 2)
    found = verdict(bench, until="3")
    assert (found.missing, found.extra, found.changed, found.later) == (0, 1, 0, 3)
    with pytest.raises(ProjectError, match="no integer"):
        verdict(bench, until="yesterday")


def test_until_needs_a_cursor(bench):
    declare(bench, cursor=None)
    bench.run()
    with pytest.raises(ProjectError, match="has a cursor column"):
        verdict(bench, until="3")


def test_append_without_versions_wants_every_row_as_often_as_the_source_has_it(bench):
    declare(bench, cursor=None, primary_key=())
    bench.modes = {"orders": "append"}
    bench.run()
    bench.run()
    found = verdict(bench)
    assert (found.equal, found.destination_rows, found.not_compared) == (True, 6, 3)
    by_hand(bench, "DELETE FROM orders WHERE id = 2")
    assert verdict(bench).missing == 1


def test_hidden_values_are_not_shown(bench):
    declare(bench, shape=Shape(columns={"label": ColumnRule(hash=True, rename="who")}))
    bench.run()
    by_hand(bench, "UPDATE orders SET who = 'changed' WHERE id = 1")
    found = verdict(bench)
    assert found.changed == 1
    assert [(each.column, each.source, each.destination) for each in found.differences] == [
        ("who", "(hidden)", "(hidden)")
    ]


def test_only_so_many_differences_are_shown(bench):
    bench.run()
    by_hand(bench, "UPDATE orders SET label = 'changed'")
    assert len(verdict(bench, sample=2).differences) == 2
    assert verdict(bench, sample=0).differences == ()


def test_progress_is_told_of_both_sides(bench):
    bench.run()
    heard = []
    verdict(bench, progress=lambda *words: heard.append(words))
    assert {("orders", "source", 3), ("orders", "destination", 3)} <= set(heard)


def test_nothing_is_left_behind_by_a_source_that_fails(bench, monkeypatch):
    bench.run()
    whole = bench.source.read

    def failing(stream, since):
        yield next(whole(stream, since))
        raise SourceUnavailable("gone")

    bench.source.batch_rows = 1
    monkeypatch.setattr(bench.source, "read", failing)
    with pytest.raises(SourceUnavailable, match="gone"):
        bench.verify()
    assert list((bench.folder / "verify").iterdir()) == []


def test_a_stopped_verification_gives_no_verdict(bench, monkeypatch):
    bench.run()
    whole = bench.source.read

    def stopping(stream, since):
        yield next(whole(stream, since))
        bench.stop.set()

    bench.source.batch_rows = 1
    monkeypatch.setattr(bench.source, "read", stopping)
    assert bench.verify() == []
