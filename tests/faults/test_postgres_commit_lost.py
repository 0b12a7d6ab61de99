"""The reply to COMMIT is lost, or COMMIT itself: the ledger settles both, and nothing is lost or twice."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import load_worker
import pytest
from places import SCHEMA, place_of, target
from postgres_proxy import PostgresProxy

from bief.errors import CommitInDoubt, DestinationUnavailable

# A constraint that is checked at COMMIT, slowly: the server is still committing when the client comes back.
SLOW_COMMIT = (
    """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN IF TG_ARGV[0]::int > 0 THEN PERFORM pg_sleep(0.02); END IF; RETURN NULL; END$$""",
    f"""CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON {SCHEMA}.orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow(1)""",
)


@pytest.fixture
def proxy(postgres_url):
    proxy = PostgresProxy(postgres_url)
    yield proxy
    proxy.close()


@pytest.fixture
def place(proxy, tmp_path):
    """A destination behind the proxy."""
    place = place_of("postgres", tmp_path, proxy.url)
    place.first.prepare()
    yield place
    place.close()


@pytest.fixture
def loader(place):
    with contextlib.closing(place.first.loader(target("merge"))) as loader:
        yield loader


@pytest.mark.parametrize(("plan", "landed"), [("drop_reply", True), ("drop_commit", False), ("hang_up", None)])
def test_a_commit_in_doubt_is_settled_by_the_ledger(place, proxy, loader, plan, landed):
    for step in range(load_worker.STEPS):
        each = load_worker.load_of(step, "merge")
        proxy.plan = plan
        with pytest.raises(CommitInDoubt, match="ledger"):
            loader.commit(each)
        done = loader.commit(each)
        if landed is not None:
            assert done.landed_before is landed
        assert done.loaded == load_worker.ROWS_PER_STEP
        assert loader.commit(each) == replace(done, landed_before=True)
    assert proxy.bites == load_worker.STEPS
    assert load_worker.faults_in(place, "merge") == []


def test_a_commit_that_goes_on_without_its_client_is_waited_for(place, proxy, loader):
    first = load_worker.load_of(0, "merge")
    loader.commit(first)
    place.by_hand(*SLOW_COMMIT)
    proxy.plan = "hang_up"
    each = load_worker.load_of(1, "merge")
    with pytest.raises(CommitInDoubt):
        loader.commit(each)
    # The server is still busy with the lost commit here; a plain look at the ledger would say that it did not land.
    with contextlib.closing(place.open().loader(target("merge", run_id="next"))) as successor:
        landed = place.count("_bief_loads") == 2
        assert successor.position.value["step"] == (1 if landed else 0)
        assert successor.commit(each).landed_before is landed
    assert place.count("_bief_loads") == 2


@pytest.mark.parametrize("plan", ["cut_copy"])
def test_a_line_cut_before_commit_leaves_nothing(place, proxy, loader, plan):
    for step in range(load_worker.STEPS):
        each = load_worker.load_of(step, "merge")
        proxy.plan = plan
        with pytest.raises(DestinationUnavailable):
            loader.commit(each)
        assert place.count("_bief_loads") == step
        assert loader.commit(each).landed_before is False
    assert proxy.bites == load_worker.STEPS
    assert load_worker.faults_in(place, "merge") == []


def test_the_driver_ends_a_transaction_only_when_told(proxy, loader):
    """Left to itself it ends one around any statement with a time stamp among its parameters (docs/decisions/0012)."""
    for step in range(load_worker.STEPS):
        before = proxy.commits
        loader.commit(load_worker.load_of(step, "merge"))
        assert proxy.commits - before == 1


def test_a_line_cut_between_two_loads_is_not_noticed(place, proxy, loader):
    for step in range(load_worker.STEPS):
        loader.commit(load_worker.load_of(step, "merge"))
        proxy.cut_all()
    assert load_worker.faults_in(place, "merge") == []


def test_an_error_reply_to_commit_is_definite(place, loader):
    loader.commit(load_worker.load_of(0, "merge"))
    place.by_hand(
        f"CREATE TABLE {SCHEMA}.names (name text PRIMARY KEY)",
        f"""ALTER TABLE {SCHEMA}.orders ADD CONSTRAINT known FOREIGN KEY (name) REFERENCES {SCHEMA}.names
            DEFERRABLE INITIALLY DEFERRED NOT VALID""",
    )
    with pytest.raises(Exception, match="foreign key") as refused:
        loader.commit(load_worker.load_of(1, "merge"))
    assert not isinstance(refused.value, CommitInDoubt)
    assert place.count("_bief_loads") == 1
    place.by_hand(f"ALTER TABLE {SCHEMA}.orders DROP CONSTRAINT known")
    for step in range(1, load_worker.STEPS):
        loader.commit(load_worker.load_of(step, "merge"))
    assert load_worker.faults_in(place, "merge") == []
