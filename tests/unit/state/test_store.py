"""The control store and its leases, on SQLite and (where a server is at hand) on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from bief.errors import AlreadyRunning, RunError, UnknownRun
from bief.state.database import migrations
from bief.state.leases import Leases, Owner
from bief.state.store import Store

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    if request.param == "sqlite":
        made = Store.in_folder(tmp_path / ".bief")
    else:
        made = Store(request.getfixturevalue("postgres_url"))
    made.prepare()
    yield made
    made.close()


def test_an_older_form_is_brought_to_the_present_one_and_keeps_its_runs(store, monkeypatch):
    store.begin_run("r1", "shop", NOON)
    steps = [*migrations(), ("0002", ["ALTER TABLE bief_runs ADD COLUMN colour text DEFAULT 'green'"])]
    monkeypatch.setattr("bief.state.store.migrations", lambda: steps)

    store.prepare()
    store.prepare()

    with store.connect() as transaction:
        assert transaction.rows("SELECT run_id, colour FROM bief_runs") == [{"run_id": "r1", "colour": "green"}]
        assert transaction.rows("SELECT version_num FROM bief_schema_version") == [{"version_num": "0002"}]


def test_a_step_that_fails_leaves_the_store_as_it_was(store, monkeypatch):
    steps = [*migrations(), ("0002", ["CREATE TABLE bief_new (id integer)", "ALTER TABLE nowhere ADD COLUMN x text"])]
    monkeypatch.setattr("bief.state.store.migrations", lambda: steps)

    with pytest.raises(RunError, match="nowhere"):
        store.prepare()

    with store.connect() as transaction:
        assert not store.database.has_table(transaction, "bief_new")
        assert transaction.rows("SELECT version_num FROM bief_schema_version") == [{"version_num": "0001"}]


def test_many_can_open_a_new_store_at_the_same_moment(tmp_path):
    barrier = threading.Barrier(8)
    failed: list[Exception] = []

    def start(folder) -> None:
        barrier.wait()
        opened = Store.in_folder(folder)
        try:
            opened.prepare()
        except RunError as error:
            failed.append(error)
        finally:
            opened.close()

    for number in range(10):
        folder = tmp_path / str(number)
        threads = [threading.Thread(target=start, args=(folder,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failed == []


def test_preparing_twice_changes_nothing(store):
    store.begin_run("r1", "shop", NOON)

    store.prepare()

    assert [run.run_id for run in store.list_runs(10)] == ["r1"]


def test_a_store_of_a_newer_bief_is_refused(store):
    with store.connect() as transaction:
        transaction.write("UPDATE bief_schema_version SET version_num = '9999'")

    with pytest.raises(RunError, match="newer version"):
        store.prepare()


def test_a_run_is_remembered_with_its_receipt(store):
    store.begin_run("r1", "shop", NOON)
    store.finish_run("r1", "partial", NOON + timedelta(seconds=5), {"loaded": 3}, "one stream failed")

    record = store.find_run("latest")

    assert (record.state, record.receipt, record.error) == ("partial", {"loaded": 3}, "one stream failed")
    assert (record.started_at, record.finished_at) == (NOON, NOON + timedelta(seconds=5))


def test_a_run_that_never_ended_is_recorded_as_crashed_by_the_next(store):
    store.begin_run("r1", "shop", NOON)
    store.begin_run("other", "office", NOON)

    crashed = store.begin_run("r2", "shop", NOON + timedelta(hours=1))

    assert crashed == ["r1"]
    assert {run.run_id: run.state for run in store.list_runs(10)} == {
        "r1": "crashed",
        "r2": "running",
        "other": "running",
    }


def test_a_crashed_run_that_comes_back_does_not_rewrite_history(store):
    store.begin_run("r1", "shop", NOON)
    store.begin_run("r2", "shop", NOON)

    store.finish_run("r1", "success", NOON, {}, "")

    assert store.find_run("r1").state == "crashed"


def test_runs_are_found_by_unique_prefix(store):
    store.begin_run("20260501-aaaa", "shop", NOON)
    store.begin_run("20260501-bbbb", "office", NOON)

    assert store.find_run("20260501-b").pipeline == "office"
    with pytest.raises(UnknownRun, match="several"):
        store.find_run("20260501")
    with pytest.raises(UnknownRun, match="no run 'zzz'"):
        store.find_run("zzz")
    with pytest.raises(UnknownRun, match="no run '%'"):
        store.find_run("%")


def test_a_second_run_is_refused_while_the_first_lives(store):
    Leases(store).acquire("shop", "r1")

    with pytest.raises(AlreadyRunning, match=r"'shop' is being run by run r1 \(process \d+ on "):
        Leases(store).acquire("shop", "r2")


def test_a_lease_given_back_is_free_and_the_epoch_grows(store):
    mine = Leases(store)
    first = mine.acquire("shop", "r1")
    mine.release(first)

    second = mine.acquire("shop", "r2")

    assert second.epoch == first.epoch + 1
    assert mine.renew(second)
    assert not mine.renew(first)


def test_the_lease_of_a_dead_process_on_this_machine_is_taken_at_once(store):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        alive = Owner.this_process()
        owner = Owner(alive.host, alive.boot, child.pid, "")
        Leases(store, owner).acquire("shop", "r1")
        if sys.platform == "linux":  # the start time tells a living process from another with the same number
            assert owner.is_dead()
    finally:
        child.kill()
        child.communicate()

    assert Leases(store).acquire("shop", "r2").epoch == 2


def test_a_holder_on_another_machine_is_trusted_until_its_lease_ends(store):
    elsewhere = Owner("another-host", "boot", 1, "1")
    Leases(store, elsewhere).acquire("shop", "r1")

    with pytest.raises(AlreadyRunning, match=r"lease ends in 1[45] s"):
        Leases(store).acquire("shop", "r2")

    with store.connect() as transaction:
        transaction.write("UPDATE bief_leases SET expires_at = expires_at - 16")
    assert Leases(store).acquire("shop", "r2").epoch == 2


def test_of_many_at_once_exactly_one_gets_the_lease(store):
    barrier = threading.Barrier(6)
    won: list[str] = []
    refused: list[str] = []

    def race(run_id: str) -> None:
        barrier.wait()
        try:
            won.append(Leases(store).acquire("shop", run_id).run_id)
        except AlreadyRunning:
            refused.append(run_id)

    threads = [threading.Thread(target=race, args=(f"r{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(refused)) == (1, 5)


def test_an_unreachable_store_is_one_paragraph_without_the_password():
    unreachable = Store("postgresql://bief:canary-pw-71@127.0.0.1:1/nowhere")

    with pytest.raises(RunError) as caught:
        unreachable.prepare()

    assert "does not answer" in str(caught.value)
    assert "canary-pw-71" not in str(caught.value)
