"""Rate limit headers in all the ways in which servers write them."""

from datetime import UTC, datetime

import pytest

from bief.http.limit_headers import Quota, quota, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("1000000000", 3600),
        ("inf", 3600),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_a_date_is_measured_by_the_servers_own_clock():
    headers = {"retry-after": "Sun, 01 Mar 2026 13:00:10 GMT", "date": "Sun, 01 Mar 2026 13:00:00 GMT"}

    assert retry_after(headers, NOW) == 10


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("5", 5),
        ("5;w=10", 5),
        (str(EPOCH + 20), 20),
        (str((EPOCH + 20) * 1000), 20),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20),
        (str(EPOCH - 20), 0),
        (str(EPOCH + 10**7), 3600),
    ],
)
@pytest.mark.parametrize("prefix", ["ratelimit", "x-ratelimit", "x-rate-limit"])
def test_reset_by_magnitude(prefix, reset, seconds):
    assert quota({f"{prefix}-remaining": "3", f"{prefix}-reset": reset}, NOW) == Quota(3, seconds)


@pytest.mark.parametrize(
    "headers", [{}, {"ratelimit-remaining": "3"}, {"ratelimit-remaining": "x", "ratelimit-reset": "1"}]
)
def test_no_quota(headers):
    assert quota(headers, NOW) is None
