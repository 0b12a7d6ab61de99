"""What a run shows while it works, from nothing but events."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bief.base.events import (
    BatchCommitted,
    CrashFound,
    PageRead,
    RateLimitWaited,
    Retried,
    RunStarted,
    SourceWarned,
    StreamFinished,
    StreamSized,
    StreamStarted,
)
from bief.cli.display import duration
from bief.cli.progress import LiveProgress, QuietProgress

STARTED = RunStarted(run_id="r1", pipeline="shop", streams=("customers", "orders"), at=datetime(2024, 1, 1, tzinfo=UTC))


class Watched:
    """A live display whose clock is moved by hand, and whose screen can be read."""

    def __init__(self):
        self.now = 100.0
        self.out = io.StringIO()
        self.console = Console(file=self.out, width=140, force_terminal=True, color_system=None, markup=False)
        self.progress = LiveProgress(self.console, lambda: self.now)
        self.progress(STARTED)

    def hear(self, *events):
        for event in events:
            self.progress(event)

    def rows(self):
        screen = Console(file=io.StringIO(), width=140, color_system=None)
        screen.print(self.progress.table())
        return [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]


@pytest.fixture
def watched():
    return Watched()


def page(rows=100):
    return PageRead(source="api", stream="customers", rows=rows, bytes=1000, seconds=0.1)


def started(resumed=False):
    return StreamStarted(run_id="r1", stream="customers", table="customers", resumed=resumed)


def finished(status="success"):
    return StreamFinished(run_id="r1", stream="customers", status=status, read=1, loaded=1, rejected=0, seconds=1)


def test_streams_wait_before_they_start(watched):
    assert watched.rows()[0] == "shop run r1"
    assert watched.rows()[2:] == ["customers waiting 0 0 0 0 0", "orders waiting 0 0 0 0 0"]


def test_rows_pages_and_rate_are_counted(watched):
    watched.hear(started(), page(), page())
    watched.now += 4
    assert watched.rows()[2] == "customers reading 200 0 0 50 2"


def test_time_left_is_shown_where_the_source_says_how_many(watched):
    watched.hear(started(), StreamSized(stream="customers", rows=1000), page(200))
    watched.now += 4
    assert watched.rows()[2].startswith("customers reading 200 0 0 50 1 ")
    assert watched.rows()[2].endswith("16.0 s left")


def test_time_left_is_shown_where_the_size_of_files_is_known(watched):
    watched.hear(started(), StreamSized(stream="customers", bytes=4000), page())
    watched.now += 4
    assert watched.rows()[2].startswith("customers reading 100 0 0 25 1 ")
    assert watched.rows()[2].endswith("12.0 s left")


def test_waiting_for_the_rate_limit_counts_down_and_ends(watched):
    watched.hear(started(), RateLimitWaited(source="api", stream="customers", seconds=3, reason="25 per 5 s"))
    assert "waiting for rate limit 3 s" in watched.rows()[2]
    watched.now += 2
    assert "waiting for rate limit 1 s" in watched.rows()[2]
    watched.hear(page())
    assert "customers reading 100" in watched.rows()[2]


def test_commits_show_what_landed_and_what_did_not(watched):
    counts = {"read": 10, "loaded": 8, "rejected": 2, "filtered": 0, "deduplicated": 0, "deleted": 0}
    watched.hear(
        started(resumed=True), BatchCommitted(run_id="r1", stream="customers", batch_id="b", seconds=1, **counts)
    )
    assert watched.rows()[2] == "customers resuming 0 8 2 0 0"


def test_a_finished_stream_keeps_its_rate(watched):
    watched.hear(started(), page(100))
    watched.now += 2
    watched.hear(finished())
    watched.now += 1000
    assert watched.rows()[2] == "customers success 100 0 0 50 1"


def test_a_retry_is_told_below(watched):
    watched.hear(Retried(what="GET /customers", attempt=1, wait_seconds=2, reason="503\x1b[2J"))
    assert watched.rows()[-1] == "trying again in 2.0 s: GET /customers: 503\\x1b[2J"


def test_warnings_stay_on_the_screen(watched):
    with watched.progress:
        watched.hear(SourceWarned(source="api", stream="customers", message="page 2 changed\x1b[2J[bold]"))
        watched.hear(CrashFound(pipeline="shop", crashed_run_id="r0"))
    assert "customers: page 2 changed\\x1b[2J[bold]" in watched.out.getvalue()
    assert "run r0 died without saying so" in watched.out.getvalue()


def test_once_closed_it_hears_nothing(watched):
    with watched.progress:
        pass
    watched.hear(started())
    assert watched.rows()[2].startswith("customers waiting")


def test_quiet_lines():
    lines = []
    with QuietProgress(lines.append) as quiet:
        quiet(STARTED)
        quiet(page())
        quiet(finished())
        failed = {"run_id": "r1", "stream": "orders", "status": "failed", "read": 0, "loaded": 0, "rejected": 0}
        quiet(StreamFinished(**failed, seconds=1, error="api: 500."))
        quiet(CrashFound(pipeline="shop", crashed_run_id="r0"))
    quiet(finished())
    assert lines == [
        "shop: run r1 started: customers, orders",
        "customers: 1 read, 1 loaded, 0 rejected in 1.0 s",
        "orders: failed: api: 500.",
        "run r0 died without saying so; this run goes on from its last commit",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (60, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
