"""The accounting simulator has the habits of the real API; each habit is one that a client can get wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead, RemoteDisconnected

import pytest
from simulators import EXAMPLES, running

NO_LIMIT = ("--requests", 0)


@pytest.fixture(scope="module")
def api():
    with running("accounting", *NO_LIMIT, "--records", 2000) as simulator:
        yield simulator


def test_a_request_without_the_token_is_refused_in_json(api):
    for token in (None, "wrong"):
        reply = api.get("/customers", token=token)
        assert reply.status == 401
        assert "token" in reply.json["error"]


def test_another_token_can_be_set_in_the_environment():
    with running("accounting", "--records", 100, env={"PENNYLANE_API_KEY": "s3cret"}) as simulator:
        assert simulator.get("/customers", token="s3cret").status == 200
        assert simulator.get("/customers", token="other").status == 401


def test_pages_follow_the_cursor_from_the_newest_id_down_without_loss(api):
    items = api.every("/customers", limit=7)
    assert [item["id"] for item in items] == list(range(200, 0, -1))


def test_sort_by_id_turns_the_order(api):
    assert [item["id"] for item in api.every("/customers", limit=90, sort="id")] == list(range(1, 201))


def test_all_streams_together_have_as_many_records_as_asked(api):
    streams = "customer_invoices supplier_invoices customers suppliers transactions journals ledger_accounts "
    streams += "ledger_entries categories products bank_accounts"
    assert sum(len(api.every(f"/{name}", limit=100)) for name in streams.split()) == 2000


@pytest.mark.parametrize("limit", ["0", "101", "ten", "-1"])
def test_a_limit_out_of_range_is_refused(api, limit):
    assert api.get("/customers", limit=limit).status == 400


def test_the_cursor_does_not_carry_the_filter(api):
    only_old = json.dumps([{"field": "id", "operator": "lteq", "value": 150}])
    first = api.get("/customers", limit=50, filter=only_old).json
    assert [item["id"] for item in first["items"]] == list(range(150, 100, -1))
    with_filter = api.get("/customers", limit=100, cursor=first["next_cursor"], filter=only_old).json
    assert [item["id"] for item in with_filter["items"]] == list(range(100, 0, -1))
    other = json.dumps([{"field": "id", "operator": "gt", "value": 90}])
    assert len(api.get("/customers", limit=100, cursor=first["next_cursor"], filter=other).json["items"]) == 10


def test_ids_can_be_asked_for_by_name(api):
    wanted = json.dumps([{"field": "id", "operator": "in", "value": [3, 99, 12345]}])
    assert [item["id"] for item in api.get("/customers", filter=wanted).json["items"]] == [99, 3]


def test_other_fields_can_be_compared(api):
    newer = json.dumps([{"field": "date", "operator": "gteq", "value": "2024-07-01"}])
    some = api.every("/transactions", limit=100, filter=newer)
    assert 0 < len(some) < 500
    assert min(item["date"] for item in some) >= "2024-07-01"
    large = json.dumps([{"field": "amount", "operator": "gt", "value": "9000.00"}])
    assert all(Decimal(item["amount"]) > 9000 for item in api.every("/transactions", limit=100, filter=large))


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '[{"field": "updated_at", "operator": "gt", "value": "2025-01-01"}]',
        '[{"field": "id", "operator": "like", "value": 1}]',
        '[{"field": "id", "operator": "in", "value": 1}]',
        '[{"field": "id", "operator": "gt", "value": "x"}]',
        "{}",
    ],
)
def test_a_filter_that_is_not_possible_is_refused(api, text):
    reply = api.get("/customers", filter=text)
    assert reply.status == 400
    assert "filter" in reply.json["error"]


@pytest.mark.parametrize("cursor", ["xyz", "!!", ""])
def test_a_made_up_cursor_is_refused(api, cursor):
    assert api.get("/customers", cursor=cursor).status == 400


def test_the_cursor_of_another_list_is_refused(api):
    foreign = api.get("/transactions", limit=10).json["next_cursor"]
    assert api.get("/customers", cursor=foreign).status == 400


def test_values_are_as_awkward_as_in_real_life(api):
    customers, invoices = api.every("/customers", limit=100), api.every("/customer_invoices", limit=100)
    assert any(item["email"] is None for item in customers)
    assert any(item["name"] != item["name"].strip() for item in customers)
    assert any(not item["name"].isascii() for item in customers)
    invoice = invoices[0]
    assert isinstance(invoice["amount"], str)
    assert Decimal(invoice["amount"]).as_tuple().exponent == -2
    assert set(invoice["customer"]) == {"id", "name"}
    assert isinstance(invoice["invoice_lines"], list)
    by_id = {item["id"]: item["name"] for item in customers}
    assert all(by_id[item["customer"]["id"]] == item["customer"]["name"] for item in invoices)


def test_one_record_can_be_read_alone(api):
    assert api.get("/products/3").json == next(item for item in api.every("/products") if item["id"] == 3)
    assert api.get("/products/999999").status == 404
    assert api.get("/nothing").status == 404


def test_the_older_way_has_numbered_pages_under_the_streams_own_name(api):
    first = api.get("/v1/customers", page=1, per_page=90).json
    assert (first["current_page"], first["total_pages"], len(first["customers"])) == (1, 3, 90)
    last = api.get("/v1/customers", page=3, per_page=90).json
    assert [item["id"] for item in last["customers"]] == list(range(181, 201))
    assert api.get("/v1/customers", page=4, per_page=90).json["customers"] == []


def test_only_get_is_served(api):
    assert api.get("/customers", method="POST").status == 405


def test_too_many_requests_are_told_to_wait():
    with running("accounting", "--requests", 3, "--per-seconds", 2, "--records", 100) as simulator:
        replies = [simulator.get("/customers") for _ in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429]
        assert [reply.headers["ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0"]
        assert replies[0].headers["ratelimit-limit"] == "3"
        assert int(replies[0].headers["ratelimit-reset"]) >= datetime.now(UTC).timestamp() - 3
        refused = replies[3]
        assert refused.headers["content-type"] == "text/plain"
        assert 1 <= int(refused.headers["retry-after"]) <= 2


def test_the_same_numbers_give_the_same_company():
    with running("accounting", *NO_LIMIT, "--days", 3) as one, running("accounting", *NO_LIMIT, "--days", 3) as two:
        for path in ("/customer_invoices", "/v1/products"):
            assert one.get(path, limit=50).body == two.get(path, limit=50).body
    with running("accounting", *NO_LIMIT, "--seed", 8) as other:
        assert other.get("/customers").status == 200
        assert other.get("/customers").body != one_page_of_seed_7()


def one_page_of_seed_7():
    with running("accounting", *NO_LIMIT) as simulator:
        return simulator.get("/customers").body


def test_the_changelog_since_the_date_of_a_full_read_tells_every_later_change(tmp_path):
    flags = (*NO_LIMIT, "--records", 20_000, "--state", tmp_path / "state.json")
    with running("accounting", *flags) as first_day:
        noted = parsedate_to_datetime(first_day.get("/customers", limit=1).headers["date"])
        copy = {item["id"]: item for item in first_day.every("/customers", limit=100)}
        assert first_day.every("/changelogs/customers", start_date=noted.isoformat()) == []
    for _ in range(3):
        with running("accounting", *flags) as later_day:
            reply = later_day.get("/changelogs/customers", limit=1000, start_date=noted.isoformat())
            noted = parsedate_to_datetime(reply.headers["date"])
            changes = reply.json["items"]
            assert {change["operation"] for change in changes} == {"insert", "update", "delete"}
            assert [change["processed_at"] for change in changes] == sorted(c["processed_at"] for c in changes)
            ids = sorted({change["id"] for change in changes if change["operation"] != "delete"})
            for start in range(0, len(ids), 100):
                wanted = json.dumps([{"field": "id", "operator": "in", "value": ids[start : start + 100]}])
                copy |= {item["id"]: item for item in later_day.every("/customers", limit=100, filter=wanted)}
            for change in changes:
                if change["operation"] == "delete":
                    copy.pop(change["id"], None)
            truth = {item["id"]: item for item in later_day.every("/customers", limit=100)}
            assert copy == truth


def test_the_changelog_has_pages_too():
    with running("accounting", *NO_LIMIT, "--days", 5) as simulator:
        whole = simulator.every("/changelogs/transactions", limit=1000)
        assert simulator.every("/changelogs/transactions", limit=33) == whole
        middle = whole[len(whole) // 2]["processed_at"]
        later = simulator.every("/changelogs/transactions", limit=50, start_date=middle)
        assert later == whole[len(whole) // 2 :]


def test_the_changelog_refuses_what_the_real_one_refuses():
    with running("accounting", *NO_LIMIT, "--days", 40) as simulator:
        now = datetime.now(UTC)
        old = (now - timedelta(weeks=4, minutes=1)).isoformat()
        assert simulator.get("/changelogs/products", start_date=old).status == 422
        page = simulator.get("/changelogs/products", limit=1, start_date=(now - timedelta(days=20)).isoformat()).json
        both = {"start_date": now.isoformat(), "cursor": page["next_cursor"]}
        assert simulator.get("/changelogs/products", **both).status == 400
        assert simulator.get("/changelogs/products", limit=1001).status == 400
        assert simulator.get("/changelogs/products", start_date="yesterday").status == 400


def test_a_server_whose_clock_is_ahead_forgets_old_changes():
    with running("accounting", *NO_LIMIT, "--ahead-days", 30) as simulator:
        reply = simulator.get("/changelogs/products", start_date=datetime.now(UTC).isoformat())
        assert reply.status == 422
        assert parsedate_to_datetime(reply.headers["date"]) > datetime.now(UTC) + timedelta(days=29)


def test_in_a_projects_folder_each_start_is_a_day(tmp_path):
    (tmp_path / "bief.yaml").touch()
    for days in (0, 1, 2):
        with running("accounting", "--records", 10_000, folder=tmp_path) as simulator:
            changes = simulator.every("/changelogs/journals", limit=100)
            assert len(changes) == 3 * days  # one record comes and two are changed on each day
    assert (tmp_path / ".bief" / "simulator.json").exists()


def test_a_state_file_of_another_company_is_refused(tmp_path):
    state = tmp_path / "deep" / "state.json"
    with running("accounting", "--records", 100, "--state", state):
        assert state.exists()
    command = [sys.executable, EXAMPLES / "accounting/simulator.py", "--port", "0", "--seed", "1", "--state", state]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another company" in done.stderr


def test_it_can_be_told_to_fail():
    flags = (
        "--fail customers=500:2 --fail products=html --fail journals=cut --fail suppliers=drop --fail categories=error"
    )
    with running("accounting", env={"SIMULATOR_FLAGS": flags}) as simulator:
        assert [simulator.get("/customers").status for _ in range(3)] == [500, 500, 200]
        assert simulator.get("/products").headers["content-type"].startswith("text/html")
        assert "items" not in simulator.get("/categories").json
        with pytest.raises(IncompleteRead):
            simulator.get("/journals")
        simulator.connection.close()
        with pytest.raises(RemoteDisconnected):
            simulator.get("/suppliers")


def test_bad_records_can_be_asked_for():
    with running("accounting", "--bad", "products=3") as simulator:
        items = simulator.get("/products", limit=100, sort="id").json["items"]
        assert [item["amount"] for item in items[:3]] == ["n/a"] * 3
        assert items[3]["amount"] != "n/a"


def test_it_ends_when_its_input_ends():
    with running("accounting", "--records", 100) as simulator:
        simulator.process.stdin.close()
        assert simulator.process.wait(timeout=10) == 0
