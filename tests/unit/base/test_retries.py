"""Trying again: only what is transient, within limits, and never against a stop signal."""

import threading
import time

import pytest

from bief.base.events import Retried
from bief.base.retries import Patience, retried
from bief.errors import SourceRefused, SourceUnavailable

QUICK = Patience(attempts=4, base_seconds=0.001, cap_seconds=0.002)


class Work:
    """Fails with the given errors, one per call, then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def run(work, *, patience=QUICK, stop=None, events=None):
    return retried(
        work,
        what="w",
        emit=(events if events is not None else []).append,
        stop=stop or threading.Event(),
        patience=patience,
    )


def test_transient_errors_are_tried_again_and_told():
    events = []

    assert run(Work(SourceUnavailable("one"), SourceUnavailable("two")), events=events) == "done"
    assert [(event.attempt, event.reason) for event in events if isinstance(event, Retried)] == [(1, "one"), (2, "two")]


@pytest.mark.parametrize("error", [SourceRefused("no"), ValueError("no")])
def test_other_errors_go_straight_up(error):
    work = Work(error)

    with pytest.raises(type(error)):
        run(work)
    assert work.calls == 1


def test_the_last_error_goes_up_after_the_last_attempt():
    work = Work(*(SourceUnavailable(str(number)) for number in range(9)))

    with pytest.raises(SourceUnavailable, match="3"):
        run(work)
    assert work.calls == 4


def test_an_error_that_says_when_to_come_back_is_obeyed():
    events = []
    begun = time.monotonic()

    run(Work(SourceUnavailable("later", retry_after_seconds=0.15)), events=events)

    assert time.monotonic() - begun >= 0.15
    assert events[0].wait_seconds >= 0.15


def test_a_wait_beyond_the_budget_is_not_begun():
    work = Work(SourceUnavailable("later", retry_after_seconds=100))

    with pytest.raises(SourceUnavailable):
        run(work, patience=Patience(budget_seconds=50))
    assert work.calls == 1


def test_stop_ends_a_wait_with_the_error():
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    work = Work(SourceUnavailable("later", retry_after_seconds=60))
    begun = time.monotonic()

    with pytest.raises(SourceUnavailable, match="later"):
        run(work, stop=stop)
    assert time.monotonic() - begun < 5
    assert work.calls == 1


def test_no_new_try_after_stop():
    stop = threading.Event()
    stop.set()
    work = Work(SourceUnavailable("x"))

    with pytest.raises(SourceUnavailable):
        run(work, stop=stop)
    assert work.calls == 1


def test_waits_are_random_below_a_doubling_ceiling():
    waits = []
    for _ in range(200):
        events = []
        run(
            Work(*(SourceUnavailable("x") for _ in range(3))),
            patience=Patience(attempts=4, base_seconds=0.00001, cap_seconds=0.00003),
            events=events,
        )
        waits.append([event.wait_seconds for event in events])

    for place, ceiling in enumerate([0.00001, 0.00002, 0.00003]):
        column = [each[place] for each in waits]
        assert max(column) <= ceiling
        assert min(column) < ceiling / 4
        assert max(column) > ceiling * 3 / 4
