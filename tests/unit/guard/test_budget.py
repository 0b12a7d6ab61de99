"""How many rejected rows are too many."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bief.batches.batch import RejectedRow
from bief.errors import TooManyRejected
from bief.guard.budget import Budget, Tally


def rejected(count, reason="'n/a' is not a timestamp"):
    return [RejectedRow(f"record {n + 1}", "type", reason, "{}", "paid_at") for n in range(count)]


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("1%", Budget(share=Fraction(1, 100))),
        ("0.5 %", Budget(share=Fraction(1, 200))),
        (100, Budget(rows=100)),
        ("0", Budget(rows=0)),
    ],
)
def test_a_budget_is_a_share_or_a_number(text, budget):
    assert Budget.parse(text) == budget
    assert Budget.parse(str(budget).removesuffix(" rows")) == budget


@pytest.mark.parametrize("text", ["", "many", "-1", "101%", "1.5", "%", True, "1%%", "\u0661"])
def test_anything_else_is_no_budget(text):
    with pytest.raises(ValueError, match="is not a number of rows"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("budget", "refused", "read", "allowed"),
    [
        ("1%", 10, 20, True),
        ("1%", 11, 20, False),
        ("1%", 50, 5000, True),
        ("1%", 51, 5000, False),
        ("0%", 1, 5000, False),
        (3, 3, 4, True),
        (3, 4, 10**9, False),
        (0, 0, 0, True),
    ],
)
def test_a_share_always_allows_ten_rows_and_a_number_is_a_number(budget, refused, read, allowed):
    assert Budget.parse(budget).allows(refused, read) is allowed


def test_batches_add_up():
    tally = Tally(Budget.parse(5)).plus(100, rejected(3)).plus(100, rejected(2))
    with pytest.raises(TooManyRejected, match=r"^6 of 300 rows were rejected, and max_rejected allows 5 rows\."):
        tally.plus(100, rejected(1))
    assert (tally.read, tally.rejected) == (200, 5)


def test_the_error_shows_the_first_reasons_one_for_each_kind():
    key = [RejectedRow(f"record {n}", "primary_key", "the primary key 'id' is null", "{}") for n in (7, 8)]
    with pytest.raises(TooManyRejected) as caught:
        Tally(Budget.parse(0)).plus(100, [*rejected(3), *key])
    assert str(caught.value).count("record") == 2
    assert "record 1: column paid_at: 'n/a' is not a timestamp; record 7: the primary key" in str(caught.value)


def test_a_stream_of_which_every_row_was_rejected_is_over_any_budget():
    tally = Tally(Budget.parse("100%")).plus(2, rejected(2))
    with pytest.raises(TooManyRejected, match="2 of 2 rows were rejected, and nothing is left to load"):
        tally.plus(0, [], complete=True)


def test_an_empty_stream_is_within_its_budget():
    tally = Tally(Budget.parse(0)).plus(0, [], complete=True).plus(1, [], complete=True)
    with pytest.raises(TooManyRejected):
        tally.plus(1, rejected(1))
