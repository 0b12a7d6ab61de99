"""What monitoring reads: the views etl_logs and sync_metadata, the ledger, and `state`."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from places import Place, load, stored, table, target

from bief.batches.batch import RejectedRow
from bief.batches.schema import INTEGER, TIMESTAMP
from bief.errors import DestinationRefused

SCHEMA = pa.schema([("id", INTEGER)])
ETL_LOGS = [
    "id", "execution_date", "table_name", "records_extracted", "records_loaded", "status", "error_message",
    "execution_time_seconds",
]  # fmt: skip


def rows(first: int, last: int) -> pa.Table:
    return table([{"id": key} for key in range(first, last)], SCHEMA)


def logs(place: Place) -> list[dict[str, object]]:
    return place.rows(f"SELECT * FROM {place.table('etl_logs')} ORDER BY id")


def test_etl_logs_follows_a_run(place: Place):
    loader = place.first.loader(target())
    assert logs(place) == []
    loader.commit(load(rows(0, 3), 1, rejected=[RejectedRow("r", "type", "no", "{}")]))
    assert [(row["status"], row["records_extracted"], row["records_loaded"]) for row in logs(place)] == [
        ("running", 4, 3)
    ]
    loader.commit(load(rows(3, 5), 2, changes=[], complete=True))
    loader.close()
    [row] = logs(place)
    assert list(row) == ETL_LOGS
    assert (row["table_name"], row["status"], row["error_message"]) == ("orders", "success", None)
    assert (row["records_extracted"], row["records_loaded"]) == (6, 5)
    assert 0 <= float(row["execution_time_seconds"]) < 60
    assert abs(stored(row["execution_date"], TIMESTAMP) - datetime.now(UTC)) < timedelta(minutes=1)


def test_failures_and_cancellations_are_logged(place: Place):
    for number, cancelled in enumerate((False, True)):
        with contextlib.closing(place.first.loader(target(run_id=f"run-{number}"))) as loader:
            loader.commit(load(rows(0, 3), number))
            loader.fail("the server said no", cancelled=cancelled)
    with contextlib.closing(place.first.loader(target(run_id="run-2"))) as loader:
        loader.fail("before the first commit")
        loader.fail("and again")
    assert [(row["status"], row["error_message"], row["records_loaded"]) for row in logs(place)] == [
        ("failed", "the server said no", 3),
        ("failed", "the server said no", 3),
        ("failed", "before the first commit", 0),
    ]
    kept = place.rows(f"SELECT status FROM {place.table('_bief_steps')} ORDER BY step_id")
    assert [row["status"] for row in kept] == ["failed", "cancelled", "failed"]


def test_a_run_that_died_is_closed_by_the_next(place: Place):
    with contextlib.closing(place.first.loader(target(run_id="dead"))) as dead:
        dead.commit(load(rows(0, 3), 1))
    with contextlib.closing(place.first.loader(target(run_id="next"))) as loader:
        loader.commit(load(rows(0, 3), 2, changes=[], complete=True))
    first, second = logs(place)
    assert (first["status"], second["status"]) == ("failed", "success")
    assert "without saying so" in str(first["error_message"])


def test_the_two_monitoring_queries_run_as_written(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 3), 1, complete=True))
    with contextlib.closing(place.first.loader(target(run_id="run-2"))) as loader:
        loader.fail("no")
    average = """SELECT table_name, AVG(execution_time_seconds), COUNT(*),
        SUM(CASE WHEN status='failed' THEN 1 ELSE 0 END) FROM pennylane.etl_logs GROUP BY table_name;"""
    everything = "SELECT * FROM pennylane.sync_metadata;"
    if place.kind != "postgres":
        average, everything = average.replace("pennylane.", ""), everything.replace("pennylane.", "")
    [row] = place.rows(average)
    name, seconds, count, failed = row.values()
    assert (name, int(count), int(failed)) == ("orders", 2, 1)
    assert float(seconds) >= 0
    [row] = place.rows(everything)
    assert list(row) == ["table_name", "last_sync_date", "total_records"]
    assert (row["table_name"], row["total_records"]) == ("orders", 3)


def test_sync_metadata_counts_the_table_and_not_the_loads(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 5), 1))
        assert place.rows(f"SELECT * FROM {place.table('sync_metadata')}") == []
        gone = pa.table({"id": pa.array([0], INTEGER)})
        loader.commit(load(rows(3, 7), 2, changes=[], deleted=gone, complete=True))
    assert place.rows(f"SELECT total_records FROM {place.table('sync_metadata')}") == [{"total_records": 6}]
    state = place.first.state("shop", "orders", "orders")
    assert (state.rows, state.table_exists, state.position.complete) == (6, True, True)
    assert abs(state.last_success - datetime.now(UTC)) < timedelta(minutes=1)
    assert place.first.state("shop", "other", "orders").rows is None


def test_the_ledger_has_every_count(place: Place):
    gone = pa.table({"id": pa.array([0], INTEGER)})
    with contextlib.closing(place.first.loader(target(version_column="id"))) as loader:
        loader.commit(
            load(rows(0, 5), 1, read=9, filtered=2, deduplicated=1, deleted=gone, complete=True,
                 rejected=[RejectedRow("r", "type", "no", "{}")])
        )  # fmt: skip
    [row] = place.rows(f"SELECT * FROM {place.table('_bief_loads')}")
    counts = {key: value for key, value in row.items() if key.startswith("rows_")}
    assert counts == {
        "rows_read": 9, "rows_loaded": 5, "rows_superseded": 0, "rows_deleted": 1, "rows_rejected": 1,
        "rows_refused": 0, "rows_filtered": 2, "rows_deduplicated": 1, "rows_released": 0,
    }  # fmt: skip
    assert (row["pipeline"], row["stream"], row["run_id"], row["epoch"], bool(row["complete"])) == (
        "shop", "orders", "run-1", 1, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM {orders}",
        "INSERT INTO {orders} (id) VALUES (9)",
        "WITH gone AS (DELETE FROM {orders} RETURNING id) SELECT * FROM gone",
        "DROP TABLE {orders}",
        "CREATE TABLE made (id integer)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM {orders}",
        "COMMIT",
        "PRAGMA user_version = 7",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "COPY (SELECT 1) TO '/tmp/bief-made-by-a-query'",
        "/* SELECT */ DELETE FROM {orders}",
        "-- SELECT\nDELETE FROM {orders}",
        "SELEC 1",
        "SELECT * FROM no_such_table",
        "",
    ],
)
def test_only_one_select_can_be_asked(place: Place, sql: str):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 3), 1, complete=True))
    with pytest.raises(DestinationRefused):
        place.first.query(sql.format(orders=place.table("orders")))
    assert place.count("orders") == 3


def test_a_query_gives_arrow_and_as_many_rows_as_asked(place: Place):
    with contextlib.closing(place.first.loader(target())) as loader:
        loader.commit(load(rows(0, 30), 1, complete=True))
        sql = f"  -- all\n SELECT id FROM {place.table('orders')} ORDER BY id;"
        assert place.first.query(sql).column("id").to_pylist() == list(range(30))
        assert place.first.query(sql, max_rows=4).column("id").to_pylist() == [0, 1, 2, 3]
        assert place.first.query(sql, max_rows=0).num_rows == 0
    assert place.first.query("WITH a AS (SELECT 1 AS x) SELECT x FROM a").to_pylist() == [{"x": 1}]
    empty = place.first.query(f"SELECT id FROM {place.table('orders')} WHERE id < 0")
    assert (empty.column_names, empty.num_rows) == (["id"], 0)


def test_a_destination_of_a_newer_bief_is_refused_and_left_alone(place: Place):
    place.first.close()
    place.by_hand(f"UPDATE {place.table('_bief_format')} SET version = 2")

    with contextlib.closing(place.open()) as newer, pytest.raises(DestinationRefused, match="newer version of Bief"):
        newer.prepare()
