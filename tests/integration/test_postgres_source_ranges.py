"""Several connections read one table: every row once, in one snapshot, and on from where each was."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from postgres_server import execute

from bief.batches.batch import Position
from bief.ports.runtime import Runtime
from bief.sources.database.postgres import PostgresOptions, PostgresSource
from bief.sources.database.postgres_session import PostgresSession

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


def test_all_connections_see_one_snapshot(keyed, monkeypatch):
    """Two rows of different ranges always have the same text; a transaction changes both before each range is read."""
    ends = f"id::bigint IN (2, {(ROWS - 1) * 1_000_000})"
    execute(keyed, f"UPDATE t SET note = '' WHERE {ends}")
    batches = PostgresSession.batches

    def changing(session, selection):
        execute(keyed, f"UPDATE t SET note = note || 'y' WHERE {ends}")
        return batches(session, selection)

    monkeypatch.setattr(PostgresSession, "batches", changing)
    found = list(source_of(keyed).read("t", None))

    notes = [note for batch in found for note in batch.rows.column("note").to_pylist() if "x" not in note]
    assert notes == ["", ""]


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
