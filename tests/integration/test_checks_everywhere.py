"""Every check with every severity in every destination: which rows land, which are kept aside, and what is counted."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from checked_runs import NOW, CheckedRuns
from places import PLACES, place_of

from bief.base.events import CheckBroken

CUSTOMERS = [{"id": number, "name": f"Customer {number}"} for number in (1, 2)]
GOOD = {
    "customer_id": 1,
    "email": "a@example.org",
    "status": "new",
    "amount": Decimal("10.50"),
    "kind": "sale",
    "at": NOW - timedelta(hours=30),
}
# The check, what is wrong with the row 3, the column that is named, and the reason.
CASES = {
    "not_null": ({"not_null": ["id", "email"]}, {"email": None}, "email", "it is null or missing"),
    "unique": ({"unique": ["code"]}, {"code": "code 1"}, "code", "'code 1' stands in an earlier row too"),
    "accepted_values": (
        {"accepted_values": {"column": "status", "values": ["new", "paid"]}},
        {"status": "lost"},
        "status",
        "'lost' is not one of new, paid",
    ),
    "range": (
        {"range": {"column": "amount", "min": 0, "max": 100}},
        {"amount": Decimal("100.01")},
        "amount",
        "'100.01' is not in the range 0 to 100",
    ),
    "regex": (
        {"regex": {"column": "email", "pattern": "^[^@]+@[^@]+$"}},
        {"email": "nobody"},
        "email",
        "'nobody' does not match ^[^@]+@[^@]+$",
    ),
    "relationship": (
        {"relationship": {"column": "customer_id", "to": "customers.id"}},
        {"customer_id": 9},
        "customer_id",
        "'9' is not in customers.id",
    ),
    "expression": (
        {"expression": "amount >= 0 OR kind = 'refund'"},
        {"amount": Decimal("-1.00")},
        "",
        "amount >= 0 OR kind = 'refund' is false: amount = '-1.00', kind = 'sale'",
    ),
}
TABLE_CASES = {
    "row_count": ({"row_count": {"max": 3}}, "the table has 4 rows, and at most 3 are allowed"),
    "freshness": (
        {"freshness": {"column": "at", "max_age": "1d"}},
        "the newest 'at' is 2026-11-19T06:00:00+00:00, which is more than 1d ago",
    ),
}


@pytest.fixture(params=PLACES)
def runs(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    place = place_of(request.param, tmp_path, url)
    place.first.prepare()
    yield CheckedRuns(place, tmp_path)
    place.close()


def orders(**wrong):
    rows = [{"id": number, "code": f"code {number}", **GOOD} for number in (1, 2, 3, 4)]
    rows[2] |= wrong
    return rows


def found(receipt):
    """What the only check of the only stream found."""
    (step,) = json.loads(json.dumps(receipt.as_json()))["steps"]
    (check,) = step["checks"]
    return check


@pytest.mark.parametrize("kind", CASES)
def test_a_row_that_breaks_a_check_is_rejected_and_the_others_are_loaded(runs, kind):
    check, wrong, column, reason = CASES[kind]
    runs.load("customers", CUSTOMERS)
    receipt = runs.load("orders", orders(**wrong), {**check, "name": "mine"})
    assert receipt.verdict == "success"
    assert runs.ids("orders") == [1, 2, 4]
    assert runs.quarantine() == [("row 3", "mine", column, reason)]
    assert found(receipt) == {"name": "mine", "severity": "reject", "rows_failed": 1, "examples": ["row 3"]}
    assert (receipt.total("read"), receipt.total("loaded"), receipt.total("rejected")) == (4, 3, 1)
    assert runs.events_of(CheckBroken) == [
        CheckBroken(stream="orders", check="mine", severity="reject", rows=1, example="row 3")
    ]


@pytest.mark.parametrize("kind", CASES)
def test_a_check_that_fails_commits_nothing_of_the_load(runs, kind):
    check, wrong, _, reason = CASES[kind]
    runs.load("customers", CUSTOMERS)
    receipt = runs.load("orders", orders(**wrong), {**check, "name": "mine", "severity": "fail"})
    assert receipt.verdict == "failed"
    assert runs.ids("orders") == []
    assert runs.quarantine() == []
    assert f"check 'mine': it does not hold: row 3: {reason}." in receipt.steps[0].error
    assert "Nothing of this load was committed." in receipt.steps[0].error
    assert found(receipt) == {"name": "mine", "severity": "fail", "rows_failed": 1, "examples": ["row 3"]}
    assert runs.load("orders", orders(), {**check, "severity": "fail"}).verdict == "success"
    assert runs.ids("orders") == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", CASES)
def test_a_check_that_warns_loads_everything_and_counts(runs, kind):
    check, wrong, *_ = CASES[kind]
    runs.load("customers", CUSTOMERS)
    receipt = runs.load("orders", orders(**wrong), {**check, "name": "mine", "severity": "warn"})
    assert receipt.verdict == "success"
    assert runs.ids("orders") == [1, 2, 3, 4]
    assert runs.quarantine() == []
    assert found(receipt) == {"name": "mine", "severity": "warn", "rows_failed": 1, "examples": ["row 3"]}


def test_rows_without_fault_keep_every_check_and_the_receipt_says_zero(runs):
    runs.load("customers", CUSTOMERS)
    fresh = [row | {"at": NOW} for row in orders()][:3]
    checks = [check for check, *_ in (CASES | TABLE_CASES).values()]
    receipt = runs.load("orders", fresh, *checks, batch_rows=2)
    assert receipt.verdict == "success"
    assert runs.ids("orders") == [1, 2, 3]
    assert [(check.rows_failed, check.examples) for check in receipt.steps[0].checks] == [(0, ())] * 9
    assert runs.events_of(CheckBroken) == []


@pytest.mark.parametrize("kind", TABLE_CASES)
def test_a_check_of_the_table_fails_the_load_that_ends_the_round(runs, kind):
    check, reason = TABLE_CASES[kind]
    receipt = runs.load("orders", orders(), {**check, "name": "mine"})
    assert receipt.verdict == "failed"
    assert runs.ids("orders") == []
    assert f"check 'mine': it does not hold: {reason}." in receipt.steps[0].error
    assert found(receipt) == {"name": "mine", "severity": "fail", "rows_failed": 1, "examples": [reason]}


@pytest.mark.parametrize("runs", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", TABLE_CASES)
def test_a_check_of_the_table_can_warn(runs, kind):
    check, reason = TABLE_CASES[kind]
    receipt = runs.load("orders", orders(), {**check, "severity": "warn"})
    assert receipt.verdict == "success"
    assert runs.ids("orders") == [1, 2, 3, 4]
    assert found(receipt)["examples"] == [reason]


@pytest.mark.parametrize("mode", ["merge", "replace", "append", "history"])
def test_the_table_is_judged_as_it_will_be_after_the_commit(runs, mode):
    small = {"row_count": {"min": 2, "max": 3}}
    assert runs.load("orders", orders()[:1], small, mode=mode).verdict == "failed"
    assert runs.load("orders", orders()[:3], small, mode=mode, batch_rows=1).verdict == "success"
    again = runs.load("orders", orders()[2:], small, mode=mode)
    assert again.verdict == ("success" if mode == "replace" else "failed")
    assert runs.ids("orders") == ([3, 4] if mode == "replace" else [1, 2, 3])


@pytest.mark.parametrize("runs", ["sqlite"], indirect=True)
def test_a_stream_without_rows_still_has_to_keep_the_checks_of_its_table(runs):
    assert runs.load("orders", [], {"row_count": {"min": 1}}).verdict == "failed"
    receipt = runs.load("orders", [], {"freshness": {"column": "at", "max_age": "1d"}})
    assert "no row has a value in 'at'" in receipt.steps[0].error


@pytest.mark.parametrize("runs", ["sqlite"], indirect=True)
def test_a_row_that_breaks_several_checks_is_one_rejected_row_with_the_first_of_them(runs):
    wrong = orders(email=None, status="lost", customer_id=9)
    runs.load("customers", CUSTOMERS)
    checks = [CASES[kind][0] for kind in ("relationship", "accepted_values", "not_null")]
    receipt = runs.load("orders", wrong, *checks)
    assert [row[1] for row in runs.quarantine()] == ["relationship_customer_id"]
    assert [check.rows_failed for check in receipt.steps[0].checks] == [1, 1, 1]
    assert receipt.total("rejected") == 1


@pytest.mark.parametrize("runs", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("check", "meant"),
    [
        ({"not_null": ["emial"]}, "neither the table nor its new rows have a column 'emial'. Did you mean 'email'?"),
        ({"unique": ["cod"]}, "have a column 'cod'. Did you mean 'code'?"),
        ({"expression": "amonut > 0"}, 'Referenced column "amonut" not found'),
        ({"relationship": {"column": "customer_id", "to": "clients.id"}}, "no table 'clients' with a column 'id'"),
        ({"relationship": {"column": "customer_id", "to": "customers.nr"}}, "no table 'customers' with a column 'nr'"),
        ({"range": {"column": "status", "min": 1}}, "the column 'status' is of type text"),
        ({"range": {"column": "amount", "min": "2024-01-01"}}, "wants a column of dates or times"),
        (
            {"accepted_values": {"column": "customer_id", "values": ["x"]}},
            "the value 'x', but the column 'customer_id'",
        ),
        ({"expression": "amount"}, "and not true or false"),
        ({"expression": "sum(amount) > 0"}, "gives one value for all rows"),
        ({"expression": "status::INTEGER > 0"}, "Could not convert string 'new'"),
        ({"freshness": {"column": "att", "max_age": "1d"}}, "the table has no column 'att'"),
        ({"freshness": {"column": "code", "max_age": "1d"}}, "the column 'code' holds no times"),
    ],
)
def test_a_check_that_cannot_be_made_fails_on_the_first_batch(runs, check, meant):
    runs.load("customers", CUSTOMERS)
    receipt = runs.load("orders", orders(), {**check, "name": "mine", "severity": "warn"})
    assert receipt.verdict == "failed"
    assert receipt.steps[0].error.startswith("check 'mine': ")
    assert meant in receipt.steps[0].error
    assert runs.ids("orders") == []


def test_a_column_that_only_the_table_has_is_null_in_the_batch(runs):
    runs.load("orders", orders())
    checks = [{"expression": "AMOUNT > 0"}, {"regex": {"column": "email", "pattern": "@"}}, {"not_null": ["email"]}]
    receipt = runs.load("orders", [{"id": 7, "code": "code 7"}], *[{**check, "severity": "warn"} for check in checks])
    assert [check.rows_failed for check in receipt.steps[0].checks] == [0, 0, 1]
    assert runs.ids("orders") == [1, 2, 3, 4, 7]


def test_closed_versions_of_a_history_do_not_count(runs):
    unique = {"unique": ["email"]}
    runs.load("people", [{"id": 1, "email": "a"}, {"id": 2, "email": "b"}], unique, mode="history")
    runs.load("people", [{"id": 1, "email": "c"}, {"id": 2, "email": "b"}], unique, mode="history")
    rows = [{"id": 3, "email": "a"}, {"id": 4, "email": "b"}, {"id": 5, "email": "c"}]
    receipt = runs.load("people", rows, unique, mode="history")
    assert receipt.steps[0].checks[0].rows_failed == 2
    assert sorted(set(runs.ids("people"))) == [1, 2, 3]


def test_values_are_compared_in_the_type_of_the_table_that_is_asked(runs):
    runs.load("countries", [{"code": "1"}, {"code": "2"}], key=("code",))
    people = [{"id": number, "country": number} for number in (1, 2, 3)]
    receipt = runs.load("people", people, {"relationship": {"column": "country", "to": "countries.code"}})
    assert runs.ids("people") == [1, 2]
    assert receipt.steps[0].checks[0].rows_failed == 1
    # The column widens with this very load: the values that the table has are still integers when it is asked.
    runs.load("prices", [{"id": 1, "price": 5}])
    wider = [{"id": 2, "price": Decimal("5.00")}, {"id": 3, "price": Decimal("5.50")}]
    runs.load("prices", wider, {"unique": ["price"]})
    assert runs.ids("prices") == [1, 3]
