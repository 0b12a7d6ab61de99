"""Several connections read one table: every row once, in one snapshot, and on from where each was."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psycopg
import pytest
from postgres_server import execute

from bief.batches.batch import Position
from bief.ports.runtime import Runtime
from bief.sources.database.postgres import PostgresOptions, PostgresSource

ROWS = 20_000


def source_of(url, **options):
    options = {"parallel": 4, "batch_rows": 500, **options}
    return PostgresSource("shop", PostgresOptions(url=url, streams={"t": options}), Runtime(folder=Path()))


def ids(batches):
    return [each for batch in batches for each in batch.rows.column("id").to_pylist()]


def again(position):
    return Position(json.loads(json.dumps(position.value)), position.complete)


@pytest.fixture(params=["bigint", "text", "two columns"])
def keyed(request, postgres_url):
    declared = "text" if request.param == "text" else "bigint"
    key = "(half, id)" if request.param == "two columns" else "(id)"
    execute(
        postgres_url,
        f"CREATE TABLE t (id {declared}, half int, note text, PRIMARY KEY {key})",
        # Gaps and clusters: the ranges are of about the same size all the same.
        "INSERT INTO t SELECT CASE WHEN n % 2 = 0 THEN n ELSE n::bigint * 1000000 END, n % 2, repeat('x', 100)"
        f" FROM generate_series(1, {ROWS}) AS n",
        "ANALYZE t",
    )
    return postgres_url


def test_every_row_is_read_once_by_ranges_of_the_key(keyed):
    batches = list(source_of(keyed).read("t", None))

    assert len(ids(batches)) == len(set(ids(batches))) == ROWS
    spans = batches[0].position.value["spans"]
    assert len(spans) == 4
    per_span = [0] * 4
    for earlier, later in zip(batches, [*batches[1:], None], strict=True):
        grown = [place for place in range(4) if later and last(earlier, place) != last(later, place)]
        for place in grown[:1]:
            per_span[place] += later.rows.num_rows
    assert min(per_span) > ROWS / 10


def last(batch, place):
    return None if batch.complete else batch.position.value["spans"][place][2]


def test_a_read_goes_on_in_each_range(keyed):
    batches = source_of(keyed).read("t", None)
    seen = [next(batches) for _ in range(7)]
    batches.close()
    rest = list(source_of(keyed).read("t", again(seen[-1].position)))

    assert sorted(ids(seen) + ids(rest)) == sorted(ids(source_of(keyed, parallel=1).read("t", None)))
    assert rest[-1].complete


def test_a_read_goes_on_with_fewer_connections_than_before(keyed):
    batches = source_of(keyed).read("t", None)
    seen = [next(batches) for _ in range(3)]
    batches.close()
    rest = list(source_of(keyed, parallel=1).read("t", again(seen[-1].position)))

    assert len(ids(seen)) + len(ids(rest)) == ROWS == len({*ids(seen), *ids(rest)})


def test_blocks_part_a_table_without_a_key(keyed):
    execute(keyed, "ALTER TABLE t DROP CONSTRAINT t_pkey")
    batches = list(source_of(keyed).read("t", None))

    assert len(ids(batches)) == len(set(ids(batches))) == ROWS
    assert [batch.position for batch in batches[:-1]] == [None] * (len(batches) - 1)


def test_all_connections_see_one_snapshot(keyed):
    """Two rows of different ranges always have the same number; a transaction changes both, again and again."""
    execute(keyed, f"UPDATE t SET note = '0' WHERE id::bigint IN (2, {(ROWS - 1) * 1_000_000})")
    ended = threading.Event()

    def write():
        with psycopg.connect(keyed) as connection:
            number = 0
            while not ended.is_set():
                number += 1
                connection.execute("UPDATE t SET note = %s WHERE length(note) < 100", (str(number),))
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            notes = [
                note
                for batch in source_of(keyed).read("t", None)
                for note in batch.rows.column("note").to_pylist()
                if len(note) < 100
            ]
            assert len(notes) == 2
            assert len(set(notes)) == 1
    finally:
        ended.set()
        writer.join()


def test_an_error_of_one_range_ends_the_read_and_its_threads(keyed):
    before = threading.active_count()
    batches = source_of(keyed).read("t", None)
    next(batches)
    batches.close()

    assert threading.active_count() == before


def test_a_gap_in_the_position_is_refused(keyed):
    batches = source_of(keyed).read("t", None)
    value = json.loads(json.dumps(next(batches).position.value))
    batches.close()
    del value["spans"][1]
    with pytest.raises(Exception, match="leave a gap"):
        list(source_of(keyed).read("t", Position(value, complete=False)))
