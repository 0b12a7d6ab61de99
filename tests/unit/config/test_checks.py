"""Checks in the project file: everything that can be wrong without data is found, with its line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bief.config.checks import bound_of, names_of

PIPELINE = "pipelines:\n  shop:\n    source: api\n    destination: warehouse\n    checks:\n      customers:\n"


@pytest.fixture
def checks(load, head):
    """The checks of the stream customers, one on each line from line 15 on."""

    def checks(*lines):
        text = "".join(f"        - {line}\n" for line in lines)
        return load(f"{head}{PIPELINE}{text}").project.pipelines["shop"].checks["customers"]

    return checks


@pytest.fixture
def wrong(problems, head):
    def wrong(*lines):
        return problems(f"{head}{PIPELINE}" + "".join(f"        - {line}\n" for line in lines))

    return wrong


def test_every_kind_is_read_and_named_by_what_it_looks_at(checks):
    found = checks(
        "not_null: [id, email]",
        "{unique: id, severity: warn}",
        "accepted_values: {column: status, values: [new, paid, 3, 1.5, true]}",
        "range: {column: amount, min: 0, max: 100000}",
        "{range: {column: amount, min: 1}, severity: warn}",
        'regex: {column: email, pattern: "^[^@]+@[^@]+$"}',
        "relationship: {column: customer_id, to: customers.id}",
        "row_count: {min: 1}",
        "freshness: {column: updated_at, max_age: 2d}",
        "{expression: \"amount >= 0 OR kind = 'refund'\", severity: fail, name: refunds_only_negative}",
        '{expression: "amount < 5"}',
    )
    assert names_of(found) == [
        "not_null_id_email",
        "unique_id",
        "accepted_values_status",
        "range_amount",
        "range_amount_2",
        "regex_email",
        "relationship_customer_id",
        "row_count",
        "freshness_updated_at",
        "refunds_only_negative",
        "expression",
    ]
    assert [check.effective_severity for check in found] == [
        *("reject", "warn", "reject", "reject", "warn", "reject", "reject", "fail", "fail", "fail", "reject"),
    ]
    assert found[8].freshness.age == timedelta(days=2)
    assert found[9].columns == ["amount", "kind"]
    assert (found[6].relationship.table, found[6].relationship.key) == ("customers", "id")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not_nul: [id]", "unknown key 'not_nul'; did you mean 'not_null'?"),
        ("severity: warn", "needs one of: not_null, unique,"),
        ("{not_null: [id], unique: [id]}", "has not_null and unique: write each as a check of its own"),
        ("not_null: []", "not_null: must not be empty"),
        ("not_null: [id, id]", "not_null: names id more than once"),
        ("{row_count: {min: 1}, severity: reject}", "cannot reject: row_count judges the whole table"),
        ("{freshness: {column: a, max_age: 1d}, severity: reject}", "cannot reject: freshness judges the whole table"),
        ("{not_null: [id], severity: error}", "severity: must be 'reject', 'fail' or 'warn', not the text 'error'"),
        ("regex: {column: a, pattern: '['}", "regex.pattern: is not a regular expression of RE2: missing ]: ["),
        ("range: {column: a}", "range: needs a min, a max, or both"),
        ("range: {column: a, min: 2, max: 1}", "range: can hold nothing: min is greater than max"),
        ("range: {column: a, min: 0.1, max: 0.09}", "range: can hold nothing: min is greater than max"),
        ("range: {column: a, min: 2024-01-02, max: 2024-01-01}", "range: can hold nothing: min is greater than max"),
        ("range: {column: a, min: 1, max: 2024-01-01}", "range: has a number and a date as its limits"),
        ("range: {column: a, min: soon}", "range.min: must be a number, a date (2024-02-29) or a time"),
        ("range: {column: a, min: true}", "range.min: must be a number, a date (2024-02-29) or a time"),
        ("range: {column: a, mn: 1}", "unknown key 'mn'; did you mean 'min'?"),
        ("row_count: {}", "row_count: needs a min, a max, or both"),
        ("row_count: {min: 2, max: 1}", "row_count: can never be: min is greater than max"),
        ("row_count: {min: -1}", "row_count.min: must be at least 0"),
        ("freshness: {column: a, max_age: 2}", "freshness.max_age: must be text"),
        ("freshness: {column: a, max_age: soon}", "freshness.max_age: must be a duration, such as 30m, 6h or 2d"),
        ("relationship: {column: a, to: customers}", "relationship.to: does not look as it should"),
        ("accepted_values: {column: a, values: []}", "accepted_values.values: must not be empty"),
        ("expression: amount >=", "expression: is not an SQL expression: syntax error at or near"),
        ("expression: (SELECT 1) > 0", "expression: has a subquery: a check sees one row and no table"),
        ("expression: a > 0) FROM read_csv('/etc/passwd'", "expression: is not"),
        ("expression: t.a > 0", "expression: names 't.a': write a column without its table"),
        ("{not_null: [id], name: a b}", "name: does not look as it should"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(wrong, line, words):
    (problem,) = wrong("not_null: [id]", line)
    assert problem.startswith("bief.yaml:16: pipelines.shop.checks.customers[2]")
    assert words in problem


def test_two_checks_have_two_names(wrong):
    (problem,) = wrong("{not_null: [id], name: same}", "{unique: [id], name: same}")
    assert "pipelines.shop.checks.customers: names same more than once" in problem


def test_all_problems_are_said_at_once(wrong):
    assert len(wrong("regex: {column: a, pattern: '('}", "expression: a >", "range: {column: a}")) == 3


def test_a_contract_is_one_of_three_words_and_a_stream_may_have_its_own(load, problems, head):
    text = f"{head}pipelines:\n  shop: {{source: api, destination: warehouse, contract: %s, streams: %s}}\n"
    shop = load(text % ("freeze", "{customers: {contract: divert}, orders: {}}")).project.pipelines["shop"]
    assert (shop.contract_of("customers"), shop.contract_of("orders")) == ("divert", "freeze")
    (problem,) = problems(text % ("frozen", "[customers]"))
    assert "pipelines.shop.contract: must be 'evolve', 'freeze' or 'divert', not the text 'frozen'" in problem


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        (0, Decimal(0)),
        (0.1, Decimal("0.1")),
        ("-12.50", Decimal("-12.5")),
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-02-29T12:00:00+02:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-02-29 12:00", datetime(2024, 2, 29, 12)),  # noqa: DTZ001 - a time without zone
        ("2024-02-30", None),
        ("many", None),
    ],
)
def test_a_limit_is_a_number_a_date_or_a_time(written, bound):
    assert bound_of(written) == bound
