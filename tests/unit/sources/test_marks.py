"""The mark of an incremental stream: exact text, right order, never back, never null."""

from datetime import UTC, datetime

import pytest

from bief.sources.rest.marks import HighMark, comparable, is_after, low_bound

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("9", "10"),
        ("1.9", "1.95"),
        ("9007199254740992", "9007199254740993"),
        ("2026-01-01", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:00.123456788Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.51Z"),
        ("2026-01-01T01:30:00+02:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00", "2026-01-01T00:00:00,1"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00-00:01"),
    ],
)
def test_order(lower, higher):
    one, other = comparable(lower), comparable(higher)

    assert is_after(other, one) is True
    assert is_after(one, other) is False


@pytest.mark.parametrize("text", ["", "abc", "2026-13-01", "2026-01-01T25:00:00Z", "1e5", "١٢", "NaN", "2026-01"])
def test_what_cannot_be_compared(text):
    assert comparable(text) is None


def test_the_mark_keeps_the_text_of_the_greatest():
    mark = HighMark(None, NOW)
    for text in ("2026-01-01T00:00:00+02:00", "2025-12-31T22:00:00.000Z", "2026-01-01T00:00:00Z", "2025-01-01"):
        mark.show(text)

    assert mark.text == "2026-01-01T00:00:00Z"
    assert mark.unusable == 0


@pytest.mark.parametrize("text", [None, "", "abc", "17", "2026-03-03T00:00:00Z"])
def test_nothing_odd_moves_the_mark(text):
    mark = HighMark("2026-02-01T00:00:00Z", NOW)
    mark.show(text)
    mark.show("2026-01-01T00:00:00Z")

    assert mark.text == "2026-02-01T00:00:00Z"
    assert mark.unusable == 1


@pytest.mark.parametrize(
    ("mark", "lookback", "pattern", "low"),
    [
        ("2026-02-01T12:00:00Z", 0, None, "2026-02-01T12:00:00Z"),
        ("2026-02-01T12:00:00Z", None, None, "2026-02-01T11:50:00Z"),
        ("2026-02-01 12:00:00", 60, None, "2026-02-01 11:59:00"),
        ("2026-02-01T12:00:00.123456789+02:00", 60, None, "2026-02-01T11:59:00.123456000+02:00"),
        ("2026-02-01T12:00:00.129Z", 60, None, "2026-02-01T11:59:00.129Z"),
        ("2026-02-01", 3600, None, "2026-01-31"),
        ("2026-02-01T12:00:00.999Z", 0, "%Y-%m-%d", "2026-02-01"),
        ("2026-02-01T12:00:59.999Z", 0, "%Y-%m-%dT%H:%M", "2026-02-01T12:00"),
        ("2026-02-01T00:00:01.999Z", 0, "epoch", "1769904001"),
        ("2026-02-01T00:00:01.9999Z", 0, "epoch_ms", "1769904001999"),
        ("4711", None, None, "4711"),
        ("4711", 10, None, "4701"),
        ("1769904001.25", 10, None, "1769903991.25"),
        ("1769904001999", 10, None, "1769903991999"),
    ],
)
def test_the_low_bound_is_never_after_the_mark(mark, lookback, pattern, low):
    assert low_bound(mark, lookback, pattern) == low
