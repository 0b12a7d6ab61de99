"""Incremental reads of PostgreSQL: late commits, prepared transactions, any cursor, reads that are cut off."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import psycopg
import pytest
from changing_table import TABLE, preparing_server, transaction, write
from postgres_server import execute

from bief.base.events import SourceWarned, StreamSized
from bief.batches.batch import Position
from bief.errors import SourceChanged, SourceMisread
from bief.ports.runtime import Runtime
from bief.sources.database import postgres_session, postgres_watermark
from bief.sources.database.postgres import PostgresOptions, PostgresSource
from bief.sources.database.postgres_watermark import _in_type

MARGIN = {"margin_seconds": 0}


def source_of(url, events=None, stream="orders", **options):
    runtime = Runtime(folder=Path(), emit=(events if events is not None else []).append)
    options = {"cursor": "updated_at", "primary_key": "id", **MARGIN, **options}
    return PostgresSource("shop", PostgresOptions(url=url, streams={stream: options}), runtime)


class Follower:
    """Runs round after round, and keeps what a destination would: the last version of each row."""

    def __init__(self, url, **options):
        self.events = []
        self.source = source_of(url, self.events, **options)
        self.position = None
        self.rows = {}

    def round(self):
        """One round; the ids that it read."""
        ids = []
        for batch in self.source.read("orders", self.position):
            ids += batch.rows.column("id").to_pylist()
            self.rows |= {row["id"]: row["version"] for row in batch.rows.to_pylist()}
            # As it comes back from a destination.
            self.position = Position(json.loads(json.dumps(batch.position.value)), batch.position.complete)
        return ids

    def warnings(self):
        return [event.message for event in self.events if isinstance(event, SourceWarned)]


def truth(url):
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT id, version FROM orders").fetchall())


@pytest.fixture
def url(postgres_url):
    execute(postgres_url, TABLE)
    return postgres_url


def test_a_row_that_is_committed_late_is_read_by_the_next_round(url):
    follower = Follower(url)
    with transaction(url) as late:
        write(late, 1)
        with transaction(url) as early:
            write(early, 2)
        assert follower.round() == [2]
        assert follower.round() == [2]
    assert follower.round() == [1, 2]
    with transaction(url) as later:
        write(later, 3)
    assert follower.round() == [3]


def test_a_transaction_that_had_not_written_yet_is_waited_for_too(url):
    follower = Follower(url)
    with transaction(url) as silent:
        assert follower.round() == []
        with transaction(url) as other:
            write(other, 2)
        assert follower.round() == [2]
        write(silent, 1)
    assert follower.round() == [1, 2]


def test_a_commit_between_watermark_and_snapshot_is_read(url, monkeypatch):
    follower = Follower(url)
    begin = postgres_session.PostgresSession.begin
    with contextlib.ExitStack() as open_transactions:
        late = open_transactions.enter_context(transaction(url))

        def commit_first(session):
            # In the moment between the two: one commits what was open, one begins, and a third does all of it.
            write(late, 1)
            late.commit()
            also_late = open_transactions.enter_context(transaction(url))
            write(also_late, 2)
            with transaction(url) as quick:
                write(quick, 3)
            begin(session)

        monkeypatch.setattr(postgres_session.PostgresSession, "begin", commit_first)
        assert follower.round() == [1, 3]
        monkeypatch.undo()
    assert 2 in follower.round()
    assert follower.rows == truth(url)


def test_the_watermark_is_asked_before_the_snapshot(url, monkeypatch):
    order = []
    watermark, begin = postgres_session.PostgresSession.watermark, postgres_session.PostgresSession.begin
    monkeypatch.setattr(
        postgres_session.PostgresSession, "watermark", lambda *args: (order.append("watermark"), watermark(*args))[1]
    )
    monkeypatch.setattr(
        postgres_session.PostgresSession, "begin", lambda *args: (order.append("snapshot"), begin(*args))[1]
    )
    Follower(url).round()

    assert order == ["watermark", "snapshot"]


def test_prepared_transactions_keep_the_place():
    with preparing_server() as url:
        execute(url, TABLE)
        follower = Follower(url)
        with transaction(url) as first:
            write(first, 1)
        follower.round()
        with transaction(url) as second:
            write(second, 2)
            second.execute("PREPARE TRANSACTION 'p'")
        with transaction(url) as third:
            write(third, 3)
        follower.round()
        follower.round()
        execute(url, "COMMIT PREPARED 'p'")
        follower.round()

        assert follower.rows == truth(url) == {1: 0, 2: 0, 3: 0}
        assert any("prepared transactions" in warning for warning in follower.warnings())
        assert follower.round() == []


def test_readers_do_not_hold_each_other_back(url):
    follower = Follower(url)
    with transaction(url) as connection:
        write(connection, *range(1, 6))
    other = source_of(url, batch_rows=1).read("orders", None)
    next(other)
    follower.round()
    assert follower.round() == []
    assert len(list(other)) == 4


def test_who_may_not_see_transactions_goes_back_and_says_so(url):
    database = url.split("/")[3].split("?")[0]
    user = f"reader_{database}"
    execute(url, f"CREATE ROLE {user} LOGIN", f"GRANT SELECT ON orders TO {user}")
    try:
        follower = Follower(url.replace("postgres:@", f"{user}:@"), lookback_seconds=60)
        with transaction(url) as late:
            write(late, 1)
            follower.round()
        assert follower.round() == [1]
        assert any("60 s late" in each and "pg_read_all_stats" in each for each in follower.warnings())
        follower.events.clear()
        # Nobody else is there: nothing is hidden.
        follower.round()
        assert follower.warnings() == []
        execute(url, f"GRANT pg_read_all_stats TO {user}")
        with transaction(url) as late:
            write(late, 2)
            follower.round()
        assert follower.round() == [2]
        assert follower.warnings() == []
    finally:
        execute(url, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


@pytest.mark.parametrize("declared", ["timestamp", "date"])
@pytest.mark.parametrize("zone", ["Etc/GMT+12", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("told", [True, False])
def test_a_cursor_without_zone_is_safe_in_every_zone(url, declared, zone, told):
    execute(url, f"ALTER TABLE orders ALTER updated_at TYPE {declared}")
    follower = Follower(url, **({"cursor_timezone": zone} if told else {}))
    follower.round()
    with psycopg.connect(url) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        write(connection, 1)
    assert follower.round() == [1]


def test_where_the_clock_goes_back_the_low_bound_goes_back_first(postgres_url, monkeypatch):
    execute(postgres_url, "CREATE TABLE orders (id int PRIMARY KEY, updated_at timestamp)")
    session = postgres_session.PostgresSession(source_of(postgres_url)._server, "public")
    options = source_of(postgres_url, cursor_timezone="Europe/Paris")._options.streams["orders"]
    cursor = session.describe("orders", options).column("updated_at")
    for moment, expected in [
        ("2024-10-27 00:30:00+00", "2024-10-27 01:30:00"),  # 02:30; in half an hour it will be 02:00 again
        ("2024-10-27 01:30:00+00", "2024-10-27 02:30:00"),
        ("2024-03-31 00:30:00+00", "2024-03-31 01:30:00"),
    ]:
        sql = _in_type(f"'{moment}'::timestamptz", cursor, options)
        assert session._ask(f"SELECT {sql}") == [(expected,)]
    session.close()


def test_a_cursor_that_is_a_number_waits_for_open_transactions(url, monkeypatch):
    monkeypatch.setattr(postgres_watermark, "_TRIES", 2)
    follower = Follower(url, cursor="id", lookback_numbers=1)
    with transaction(url) as early:
        write(early, 1, 2)
    follower.round()
    assert follower.position.value["low"] == "2"
    with transaction(url) as late:
        write(late, 3)
        with transaction(url) as early:
            write(early, 4, 5, 6)
        assert follower.round() == [1, 2, 4, 5, 6]
        assert follower.position.value["low"] == "2"
        assert any("stays open" in each for each in follower.warnings())
    assert follower.round() == [1, 2, 3, 4, 5, 6]
    assert follower.position.value["low"] == "6"
    assert follower.round() == [5, 6]


def test_a_short_transaction_is_waited_for(url):
    follower = Follower(url, cursor="id", lookback_numbers=0)
    with transaction(url) as late, transaction(url) as early:
        write(late, 1)
        write(early, 2)
        early.commit()
        threading.Timer(0.5, late.commit).start()
        assert follower.round() == [1, 2]
    assert follower.position.value["low"] == "2"
    assert follower.warnings() == []


def test_a_number_goes_back_where_nobody_can_say_what_is_open(url):
    database = url.split("/")[3].split("?")[0]
    user = f"reader_{database}"
    execute(url, f"CREATE ROLE {user} LOGIN", f"GRANT SELECT ON orders TO {user}")
    try:
        follower = Follower(url.replace("postgres:@", f"{user}:@"), cursor="id", lookback_numbers=2)
        with transaction(url) as late:
            write(late, 4)
            with transaction(url) as early:
                write(early, 1, 2, 3, 5)
            assert follower.round() == [1, 2, 3, 5]
        assert follower.round() == [3, 4, 5]
        assert any("2 numbers late" in each for each in follower.warnings())
    finally:
        execute(url, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def test_a_cursor_that_is_a_text_begins_at_the_last_one(url):
    follower = Follower(url, cursor="note")
    execute(url, "INSERT INTO orders (id, note) VALUES (1, 'a'), (2, 'b''\\'), (3, NULL)")
    assert follower.round() == [1, 2, 3]
    execute(url, "INSERT INTO orders (id, note) VALUES (4, 'z')")
    assert follower.round() == [2, 4]
    assert any("1 rows have no `note`" in each for each in follower.warnings())


def test_an_empty_table_keeps_the_place_of_a_number(url):
    follower = Follower(url, cursor="id", lookback_numbers=0)
    assert follower.round() == []
    with transaction(url) as connection:
        write(connection, 1)
    assert follower.round() == [1]
    assert follower.position.value["low"] == "1"
    execute(url, "TRUNCATE orders")
    assert follower.round() == []
    assert follower.position.value["low"] == "1"


def test_the_size_of_a_round_is_what_it_reads(url):
    follower = Follower(url)
    with transaction(url) as connection:
        write(connection, *range(10))
    follower.round()
    with transaction(url) as connection:
        write(connection, 3, 4)
    follower.round()

    assert [event.rows for event in follower.events if isinstance(event, StreamSized)][-1] == 2


def test_another_cursor_begins_from_nothing(url):
    with transaction(url) as connection:
        write(connection, 1)
    first = Follower(url)
    first.round()
    second = Follower(url, cursor="version")
    second.position = first.position

    assert second.round() == [1]


def cut_off(url, rows=10, stop_after=2, **options):
    """A round that ends after some batches, and the position of the last."""
    with transaction(url) as connection:
        write(connection, *range(1, rows + 1))
    batches = source_of(url, batch_rows=2, **options).read("orders", None)
    *_, last = (next(batches) for _ in range(stop_after))
    batches.close()
    return Position(json.loads(json.dumps(last.position.value)), complete=False)


def test_what_changed_between_two_snapshots_of_a_round_comes_again(url):
    position = cut_off(url)
    with transaction(url) as connection:
        write(connection, 1, 9, 11)
        connection.execute("INSERT INTO orders (id) VALUES (0)")
    follower = Follower(url)
    follower.position = position
    follower.rows = dict.fromkeys(range(1, 5), 0)

    assert follower.round() == [5, 6, 7, 8, 9, 10, 11]
    assert follower.position.value["low"] == position.value["next"]["low"]
    assert follower.round() == [0, 1, 9, 11]
    assert follower.rows == truth(url)


def test_a_changed_table_is_told_and_another_key_refused(url):
    position = cut_off(url)
    execute(url, "ALTER TABLE orders ADD extra int DEFAULT 5")
    follower = Follower(url)
    follower.position = position
    assert follower.round() == [5, 6, 7, 8, 9, 10]
    assert any("columns were changed" in each for each in follower.warnings())

    execute(url, "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (version, id)")
    follower.position = position
    with pytest.raises(SourceMisread, match="another one than when this round was cut off"):
        follower.round()


@pytest.mark.parametrize("batches_before", [0, 1, 3])
def test_f25_a_killed_connection_is_replaced_after_the_last_key(url, batches_before, monkeypatch):
    with transaction(url) as connection:
        write(connection, *range(1, 11))
    # Few bytes at a time, so that the server has more to send.
    monkeypatch.setattr(postgres_session, "_BATCH_BYTES", 100)
    execute(url, "INSERT INTO orders (id, note) SELECT n, repeat('x', 1000) FROM generate_series(11, 3000) AS n")
    batches = source_of(url, batch_rows=50).read("orders", None)
    seen = [next(batches) for _ in range(batches_before)]
    if not batches_before:
        kill_after_connecting(monkeypatch, url)
    kill(url)
    seen += list(batches)

    ids = [each for batch in seen for each in batch.rows.column("id").to_pylist()]
    assert ids == list(range(1, 3001))


def test_f25_without_a_key_the_road_is_told_to_forget(url, monkeypatch):
    execute(url, "ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    execute(url, "INSERT INTO orders (id, note) SELECT n, repeat('x', 1000) FROM generate_series(1, 3000) AS n")
    monkeypatch.setattr(postgres_session, "_BATCH_BYTES", 100)
    batches = source_of(url, batch_rows=50).read("orders", None)
    assert next(batches).position is None
    kill(url)
    with pytest.raises(SourceChanged):
        list(batches)


def test_95_a_column_that_goes_between_catalog_and_snapshot_is_looked_up_again(url, monkeypatch):
    with transaction(url) as connection:
        write(connection, 1)
    describe = postgres_session.PostgresSession.describe
    calls = []

    def dropping(session, *args):
        found = describe(session, *args)
        calls.append(1)
        if len(calls) == 2:
            execute(url, "ALTER TABLE orders DROP note, ADD extra int DEFAULT 5")
        return found

    monkeypatch.setattr(postgres_session.PostgresSession, "describe", dropping)
    (batch,) = source_of(url).read("orders", None)

    assert [name for name in batch.rows.column_names if name in {"note", "extra"}] == ["extra"]


def kill(url):
    database = url.split("/")[3].split("?")[0]
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database}' AND application_name LIKE 'bief source%'",
    )


def kill_after_connecting(monkeypatch, url):
    begin = postgres_session.PostgresSession.begin
    killed = []

    def killing(session):
        begin(session)
        if not killed:
            killed.append(True)
            kill(url)

    monkeypatch.setattr(postgres_session.PostgresSession, "begin", killing)
