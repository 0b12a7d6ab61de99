"""The rate limiter: rules by a clock whose hands the test turns, and one run in real time."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bief.base.events import RateLimitWaited
from bief.errors import SourceUnavailable
from bief.http.limits import Limiter, RateLimit
from bief.ports.runtime import Runtime


class HandClock:
    """A clock that moves only when somebody waits."""

    def __init__(self):
        self.seconds = 1000.0

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self):
        return self.seconds

    def pause(self, seconds):
        self.seconds += seconds


class Bench:
    """One limiter on a hand clock, and the moments at which its requests left."""

    def __init__(self, requests=5, per_seconds=1.0):
        self.clock = HandClock()
        self.events = []
        self.runtime = Runtime(folder=Path(), emit=self.events.append, clock=self.clock)
        limit = RateLimit(requests=requests, per_seconds=per_seconds) if requests else None
        self.limiter = Limiter(limit, "api", self.runtime)
        self.limiter._pause = self.clock.pause
        self.left = []

    def send(self, stream="a", *, status=200, connect_seconds=0.0, latency_seconds=0.0, **headers):
        with self.limiter.slot(stream) as slot:
            self.clock.pause(connect_seconds)
            self.limiter.sent(slot)
            self.left.append(self.clock.seconds)
            self.clock.pause(latency_seconds)
            return self.limiter.learn(slot, status, {name.replace("_", "-"): text for name, text in headers.items()})

    @property
    def waited(self):
        return [event for event in self.events if isinstance(event, RateLimitWaited)]


def most_in_any_window(moments, seconds):
    return max(sum(1 for other in moments if moment <= other < moment + seconds) for moment in moments)


def test_a_burst_and_then_never_more_than_allowed():
    bench = Bench(5, 1.0)
    for _ in range(100):
        bench.send()

    assert bench.left[4] == bench.left[0]
    assert most_in_any_window(bench.left, 1.0) == 5
    rate = 95 / (bench.left[-1] - bench.left[4])
    assert 0.98 * 5 <= rate <= 5


def test_a_request_counts_from_when_it_left_and_not_from_when_it_was_allowed():
    bench = Bench(2, 1.0)
    bench.send(connect_seconds=0.5)
    bench.send()
    for _ in range(20):
        bench.send()

    assert most_in_any_window(bench.left, 1.0) == 2


def test_requests_under_way_count_although_they_have_not_left():
    bench = Bench(1, 1.0)
    entered = []

    with bench.limiter.slot("a") as first:
        thread = threading.Thread(target=lambda: entered.append(bench.limiter.slot("b").__enter__()), daemon=True)
        bench.limiter._pause = bench.limiter._changed.wait
        thread.start()
        time.sleep(0.3)
        assert entered == []
        bench.limiter.sent(first)
        bench.clock.pause(1.01)
        thread.join(5)
        assert len(entered) == 1


@pytest.mark.parametrize(("retry_after", "held"), [("3", 3), ("-5", 0), ("99999999", 3600), ("soon", 60), (None, 60)])
def test_429_holds_all_streams_back(retry_after, held):
    bench = Bench(None)
    begun = bench.clock.seconds

    asked = bench.send("a", status=429, **({} if retry_after is None else {"retry_after": retry_after}))
    bench.send("b")

    assert asked == held
    assert bench.left[1] - begun == pytest.approx(held)
    assert [(event.stream, round(event.seconds)) for event in bench.waited] == ([("b", held)] if held else [])


def test_429_without_retry_after_takes_the_reset():
    bench = Bench(None)

    assert bench.send(status=429, ratelimit_reset="4") == 4


def test_retry_after_of_another_status_does_not_hold_others():
    bench = Bench(None)

    assert bench.send(status=503, retry_after="9") == 9
    bench.send("b")
    assert bench.left[1] == bench.left[0]


def test_the_margin_grows_after_429_and_shrinks_again():
    bench = Bench(1, 1.0)
    bench.send()
    bench.send(status=429, retry_after="0")
    bench.send()
    grown = bench.left[2] - bench.left[1]
    bench.clock.pause(200)
    for _ in range(10):
        bench.clock.pause(61)
        bench.send()
    bench.send()

    assert grown == pytest.approx(1.027)
    assert bench.left[-1] - bench.left[-2] == pytest.approx(1.007)


def test_a_used_up_quota_holds_when_no_limit_is_declared():
    bench = Bench(None)
    bench.send(ratelimit_remaining="0", ratelimit_reset="2")
    bench.send()

    assert bench.left[1] - bench.left[0] == pytest.approx(2)


def test_a_quota_that_is_used_up_by_us_alone_costs_nothing():
    bench = Bench(5, 1.0)
    for number in range(50):
        bench.send(latency_seconds=0.01, ratelimit_remaining=str(max(0, 4 - number)), ratelimit_reset="1")

    rate = 45 / (bench.left[-1] - bench.left[4])
    assert rate >= 0.97 * 5


def test_a_quota_that_somebody_else_uses_too_is_obeyed():
    bench = Bench(5, 1.0)
    bench.send(ratelimit_remaining="0", ratelimit_reset="7")
    bench.send()

    assert bench.left[1] - bench.left[0] == pytest.approx(7)


def test_short_waits_are_not_told():
    bench = Bench(1, 0.2)
    bench.send()
    bench.send()

    assert bench.waited == []


def test_stop_ends_a_wait():
    runtime = Runtime(folder=Path())
    limiter = Limiter(RateLimit(requests=1, per_seconds=60), "api", runtime)
    with limiter.slot("a"):
        pass
    threading.Timer(0.1, runtime.stop.set).start()
    begun = time.monotonic()

    with pytest.raises(SourceUnavailable, match="told to stop"), limiter.slot("a"):
        pass
    assert time.monotonic() - begun < 2


def test_three_seconds_of_real_time_with_four_threads():
    runtime = Runtime(folder=Path())
    limiter = Limiter(RateLimit(requests=10, per_seconds=0.5), "api", runtime)
    left = []
    end = time.monotonic() + 3

    def work():
        while time.monotonic() < end:
            with limiter.slot("a") as slot:
                limiter.sent(slot)
                left.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    left.sort()
    assert most_in_any_window(left, 0.5) <= 10
    # A burst at the start of each of six windows; a slow machine may lose a part of the last one.
    assert len(left) >= 55
