"""Rounds of the REST source that read what has changed, or once per record of another stream."""

# ruff: noqa: SIM117 - the surroundings on one line, the error that is expected on the next

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pyarrow as pa
import pytest
from rest_sources import again, ids, rest
from scripted_api import ScriptedApi, reply

from bief.base.events import SourceWarned
from bief.batches.batch import Position
from bief.errors import SourceMisread, SourceRefused

CURSOR = {"type": "cursor", "cursor_param": "after", "next_cursor": "next", "has_more": "more", "size_param": "limit"}


def paged(items, asked, default=100):
    """A page of a list by cursor."""
    size, start = int(asked.query.get("limit", default)), int(asked.query.get("after", 0))
    end = start + size
    more = end < len(items)
    return {"items": items[start:end], "more": more, "next": str(end) if more else None}


class Table:
    """Plays a list with a filter by time of change."""

    def __init__(self, *rows):
        self.rows = [{"id": number, "u": text} for number, text in rows]

    def __call__(self, asked):
        since = asked.query.get("since") or json.loads(asked.query.get("filter", "{}")).get("since", "")
        return reply(paged([row for row in self.rows if row["u"] is None or row["u"] >= since], asked))


def incremental(**more):
    return {
        "path": "/list",
        "primary_key": "id",
        "pagination": {**CURSOR, "size": 2},
        "batch_rows": 2,
        "incremental": {"cursor": "u", "filter": {"since": "$cursor"}, "lookback_seconds": 0, **more},
    }


def test_the_second_round_asks_from_the_greatest_cursor_of_the_first():
    table = Table(
        (1, "2026-01-03T00:00:00.000Z"), (2, "2026-01-05T00:00:00.120Z"), (3, "2026-01-04"), (4, "2026-01-01")
    )
    with ScriptedApi(table) as api, rest(api, incremental()) as source:
        first = list(source.read("list", None))
        assert all("since" not in asked.query for asked in api.asked)
        assert first[-1].position == Position({"mark": "2026-01-05T00:00:00.120Z"}, complete=True)
        assert "mark" not in first[0].position.value

        api.asked.clear()
        second = list(source.read("list", again(first[-1].position)))

        assert {asked.query["since"] for asked in api.asked} == {"2026-01-05T00:00:00.120Z"}
        assert ids(second) == [2]
        assert second[-1].position == first[-1].position


def test_a_round_that_is_taken_up_keeps_its_low_bound_and_forgets_no_high_mark():
    table = Table(*((number, f"2026-01-{20 - number:02}") for number in range(1, 8)))
    since = Position({"mark": "2026-01-12"}, complete=True)
    with ScriptedApi(table) as api, rest(api, incremental()) as source:
        begun = list(source.read("list", since))
        assert begun[0].position.value == {"low": "2026-01-12", "high": "2026-01-19", "page": {"cursor": "2"}}
        api.asked.clear()

        ended = list(source.read("list", again(begun[0].position)))

        assert [asked.query["since"] for asked in api.asked] == ["2026-01-12"] * len(api.asked)
        assert ids(begun[:1]) + ids(ended) == list(range(1, 8))
        assert ended[-1].position == Position({"mark": "2026-01-19"}, complete=True)


@pytest.mark.parametrize("text", [None, "soon", "2999-01-01"])
def test_an_odd_cursor_value_moves_nothing(text):
    events = []
    table = Table((1, "2026-01-03"), (2, text))
    with ScriptedApi(table) as api, rest(api, incremental(), events=events) as source:
        batches = list(source.read("list", None))

    assert ids(batches) == [1, 2]
    assert batches[-1].position.value == {"mark": "2026-01-03"}
    assert [event.message[:9] for event in events if isinstance(event, SourceWarned)] == ["1 records"]


def test_a_round_without_rows_keeps_the_mark():
    with ScriptedApi(Table()) as api, rest(api, incremental()) as source:
        (batch,) = source.read("list", Position({"mark": "2026-01-03"}, complete=True))
        assert batch.position == Position({"mark": "2026-01-03"}, complete=True)
        (batch,) = source.read("list", None)
        assert batch.position == Position({}, complete=True)


def test_lookback_format_and_initial():
    options = incremental(lookback_seconds=3600, format="%Y-%m-%d", initial="2020-01-01")
    with ScriptedApi(Table()) as api, rest(api, options) as source:
        list(source.read("list", None))
        list(source.read("list", Position({"mark": "2026-01-03T00:30:00Z"}, complete=True)))
        assert [asked.query["since"] for asked in api.asked] == ["2020-01-01", "2026-01-02"]


def test_the_placeholder_works_inside_json_and_in_the_body():
    stream = incremental()
    stream["incremental"]["filter"] = {"filter": '{"since":"$cursor"}'}
    stream |= {"method": "POST", "body": {"where": {"from": "$cursor", "kind": "a"}, "all": ["$cursor", 1]}}
    with ScriptedApi(Table((1, "2026-01-01"))) as api, rest(api, stream) as source:
        list(source.read("list", None))
        list(source.read("list", Position({"mark": "2026-01-03"}, complete=True)))
        first, second = api.asked

    assert "filter" not in first.query
    assert first.json == {"where": {"kind": "a"}, "all": [1]}
    assert second.query["filter"] == '{"since":"2026-01-03"}'
    assert second.json == {"where": {"from": "2026-01-03", "kind": "a"}, "all": ["2026-01-03", 1]}


@pytest.mark.parametrize(("order", "low"), [("unordered", "2026-01-01"), ("ascending", "2026-01-05")])
def test_a_forgotten_page_of_a_round(order, low):
    def script(asked):
        return reply(status=410) if asked.query.get("after") == "old" else reply(paged([], asked))

    since = Position({"low": "2026-01-01", "high": "2026-01-05", "page": {"cursor": "old"}}, complete=False)
    with ScriptedApi(script) as api, rest(api, incremental(order=order)) as source:
        list(source.read("list", since))
        assert [asked.query["since"] for asked in api.asked] == ["2026-01-01", low]


class Ledger:
    """Plays a list with a list of changes."""

    def __init__(self, rows):
        self.rows = {row: {"id": row, "v": 1} for row in rows}
        self.changes = []
        self.clock = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.oldest = ""
        self.asked_ids = []

    def change(self, key, operation, time):
        if operation == "delete":
            self.rows.pop(key, None)
        else:
            self.rows[key] = {"id": key, "v": self.rows.get(key, {"v": 0})["v"] + 1}
        self.changes.append({"id": key, "operation": operation, "processed_at": time})

    def __call__(self, asked):
        date = format_datetime(self.clock, usegmt=True)
        if asked.path == "/changes":
            since = asked.query.get("start", "")
            if since and "after" in asked.query:
                return reply({"error": "both"}, status=400, date=date)
            if since and since < self.oldest:
                return reply({"error": "too old"}, status=422, date=date)
            self.since = since or self.since
            return reply(paged([one for one in self.changes if one["processed_at"] >= self.since], asked), date=date)
        if "filter" in asked.query:
            wanted = json.loads(asked.query["filter"])[0]["value"]
            self.asked_ids.append(wanted)
            return reply(paged([self.rows[key] for key in wanted if key in self.rows], asked), date=date)
        return reply(paged(list(self.rows.values()), asked), date=date)


def feed(**more):
    return {
        "path": "/list",
        "primary_key": "id",
        "pagination": {**CURSOR, "size": 3},
        "change_feed": {
            "path": "/changes",
            "since_param": "start",
            "time": "processed_at",
            "too_old_status": 422,
            "start_with_cursor": False,
            "pagination": {**CURSOR, "size": 2},
            "details": {"param": "filter", "value": '[{"field":"id","operator":"in","value":$ids}]', "batch": 2},
            **more,
        },
    }


def mirrored(batches):
    """What a merge by key makes of batches: rows first, then deletes."""
    table = {}
    for batch in batches:
        for row in batch.rows.to_pylist():
            table[row["id"]] = row.get("v")
        for key in batch.deleted.column("id").to_pylist() if batch.deleted is not None else ():
            table.pop(key, None)
    return table


def test_the_first_round_reads_everything_and_notes_the_servers_time():
    ledger = Ledger(range(7))
    with ScriptedApi(ledger) as api, rest(api, {**feed(), "batch_rows": 3}) as source:
        batches = list(source.read("list", None))

        assert ids(batches) == list(range(7))
        assert batches[-1].position == Position({"since": "2026-03-01T11:59:00Z"}, complete=True)
        ledger.clock += timedelta(hours=1)
        taken_up = list(source.read("list", again(batches[0].position)))
        assert ids(batches[:1]) + ids(taken_up) == list(range(7))
        assert taken_up[-1].position == batches[-1].position, "the time is that of the first answer of the round"
        assert "/changes" not in api.paths()


def test_changes_are_fetched_and_deletes_are_carried():
    ledger = Ledger(range(5))
    since = Position({"since": "2026-03-01T11:59:00Z"}, complete=True)
    for key, operation, moment in [
        (0, "update", "2026-03-01T12:00:01.5Z"),
        (9, "insert", "2026-03-01T12:00:02Z"),
        (1, "delete", "2026-03-01T12:00:03Z"),
        (0, "update", "2026-03-01T12:00:04Z"),
        (9, "delete", "2026-03-01T12:00:05Z"),
        (2, "update", "2026-03-01T12:00:06.123456789Z"),
    ]:
        ledger.change(key, operation, moment)
    with ScriptedApi(ledger) as api, rest(api, feed()) as source:
        (batch,) = source.read("list", since)

        assert batch.position == Position({"since": "2026-03-01T12:00:06.123456789Z"}, complete=True)
        assert batch.deleted.schema == pa.schema([("id", pa.int64())])
        assert set(batch.deleted.column("id").to_pylist()) == {1, 9}
        assert mirrored([batch]) == {0: 3, 2: 2}
        feed_requests = [asked.query for asked in api.asked if asked.path == "/changes"]
        assert [("start" in query, "after" in query) for query in feed_requests] == [
            (True, False),
            (False, True),
            (False, True),
        ]
        assert sum(len(keys) for keys in ledger.asked_ids) == 4
        assert max(len(keys) for keys in ledger.asked_ids) <= 2

        api.asked.clear()
        (quiet,) = source.read("list", again(batch.position))
        assert api.asked[0].query["start"] == "2026-03-01T12:00:06.123456789Z"
        assert mirrored([quiet]) == {2: 2}


def test_the_last_change_of_a_page_counts():
    ledger = Ledger(range(3))
    for operation in ("delete", "insert"):
        ledger.change(1, operation, "2026-03-01T12:00:01Z")
    for operation in ("update", "delete"):
        ledger.change(2, operation, "2026-03-01T12:00:02Z")
    with ScriptedApi(ledger) as api, rest(api, feed()) as source:
        (batch,) = source.read("list", Position({"since": "2026-03-01"}, complete=True))

    assert ids([batch]) == [1]
    assert batch.deleted.column("id").to_pylist() == [2]
    assert ledger.asked_ids == [[1]]


def test_a_delete_that_is_undone_in_the_same_batch_does_not_win():
    ledger = Ledger(range(3))
    for key, operation, second in [(1, "delete", 1), (0, "update", 2), (1, "insert", 3), (2, "update", 4)]:
        ledger.change(key, operation, f"2026-03-01T12:00:0{second}Z")
    with ScriptedApi(ledger) as api, rest(api, feed()) as source:
        (batch,) = source.read("list", Position({"since": "2026-03-01"}, complete=True))

    assert batch.deleted is None
    assert set(mirrored([batch])) == {0, 1, 2}


def test_a_round_of_changes_goes_on_from_the_last_change_of_a_batch():
    ledger = Ledger(range(8))
    for second in range(8):
        ledger.change(second, "delete" if second == 5 else "update", f"2026-03-01T12:00:0{second}Z")
    with ScriptedApi(ledger) as api, rest(api, {**feed(), "batch_rows": 2}) as source:
        batches = list(source.read("list", Position({"since": "2026-03-01T12:00:00Z"}, complete=True)))
        assert len(batches) >= 3
        whole = mirrored(batches)
        assert sorted(whole) == [0, 1, 2, 3, 4, 6, 7]
        for number, batch in enumerate(batches[:-1]):
            assert batch.position.value == {"since": f"2026-03-01T12:00:0{2 * number + 1}Z"}
            resumed = list(source.read("list", again(batch.position)))
            assert mirrored(batches[: number + 1] + resumed) == whole


def test_text_keys():
    ledger = Ledger(["a", "b"])
    ledger.change("a", "delete", "2026-03-01T12:00:00Z")
    with ScriptedApi(ledger) as api, rest(api, feed()) as source:
        (batch,) = source.read("list", Position({"since": "2026-03-01"}, complete=True))
    assert batch.deleted.schema == pa.schema([("id", pa.string())])


def test_changes_that_are_too_old_make_a_full_read():
    ledger = Ledger(range(4))
    ledger.oldest = "2026-02-01"
    events = []
    with ScriptedApi(ledger) as api, rest(api, feed(), events=events) as source:
        batches = list(source.read("list", Position({"since": "2026-01-01"}, complete=True)))
        assert any("deleted in the pause stay" in caveat for caveat in source.streams()[0].caveats)
        assert source.streams()[0].deletes

    assert ids(batches) == [0, 1, 2, 3]
    assert batches[-1].position == Position({"since": "2026-03-01T11:59:00Z"}, complete=True)
    assert ["2026-01-01" in event.message for event in events if isinstance(event, SourceWarned)] == [True]


def test_a_quiet_stream_does_not_keep_a_time_that_gets_too_old():
    ledger = Ledger([])
    with ScriptedApi(ledger) as api, rest(api, feed()) as source:
        (batch,) = source.read("list", Position({"since": "2026-02-01T00:00:00Z"}, complete=True))
    assert batch.position == Position({"since": "2026-02-28T12:00:00Z"}, complete=True)


@pytest.mark.parametrize("change", [{"operation": "update"}, {"id": 1}, {"id": None, "operation": "x"}, 7])
def test_a_change_that_makes_no_sense_moves_nothing(change):
    with ScriptedApi(lambda _: reply({"items": [change], "more": False})) as api, rest(api, feed()) as source:
        with pytest.raises(SourceMisread, match="A change lacks one of"):
            list(source.read("list", Position({"since": "2026-03-01"}, complete=True)))


def test_another_refusal_of_the_feed_is_an_error():
    with ScriptedApi(lambda _: reply(status=403)) as api, rest(api, feed()) as source:
        with pytest.raises(SourceRefused, match="403"):
            list(source.read("list", Position({"since": "2026-03-01"}, complete=True)))


class Family:
    """Plays customers, and orders of each customer."""

    def __init__(self, customers=7, orders=5):
        self.customers = [{"id": f"c/{number}"} for number in range(customers)]
        self.orders = orders
        self.under_way = 0
        self.most = 0
        self.lock = threading.Lock()

    def __call__(self, asked):
        if asked.path == "/customers":
            return reply(paged(self.customers, asked))
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        # The later ones answer first.
        customer = int(asked.path.split("/")[2].removeprefix("c%2F"))
        time.sleep(0.02 + 0.01 * (7 - customer))
        with self.lock:
            self.under_way -= 1
        return reply(paged([{"id": customer * 100 + order} for order in range(self.orders)], asked))


FAMILY = {
    "customers": {"path": "/customers", "primary_key": "id", "pagination": {**CURSOR, "size": 3}},
    "orders": {
        "path": "/customers/{customer_id}/orders",
        "primary_key": "id",
        "pagination": {**CURSOR, "size": 2},
        "for_each": {"stream": "customers", "key": "id", "as": "customer_id"},
        "batch_rows": 4,
    },
}
ORDERS = [customer * 100 + order for customer in range(7) for order in range(5)]


def test_one_list_for_each_record_of_another_stream():
    family = Family()
    with ScriptedApi(family) as api, rest(api, streams=FAMILY, parallel_requests=3) as source:
        batches = list(source.read("orders", None))

    assert ids(batches) == ORDERS
    assert ids(batches, "customer_id") == [f"c/{order // 100}" for order in ORDERS]
    assert family.most == 3
    assert batches[-1].position == Position({}, complete=True)
    assert [batch.position.complete for batch in batches].count(True) == 1


def test_a_round_over_parents_can_be_taken_up_after_every_batch():
    with ScriptedApi(Family()) as api, rest(api, streams=FAMILY) as source:
        batches = list(source.read("orders", None))
        assert len(batches) > 7
        for number, batch in enumerate(batches[:-1]):
            rest_of_it = list(source.read("orders", again(batch.position)))
            assert ids(batches[: number + 1]) + ids(rest_of_it) == ORDERS


def test_a_parent_that_has_gone_makes_its_page_be_read_again():
    events = []
    since = Position({"key": "c/99", "page": {"cursor": "2"}}, complete=False)
    with ScriptedApi(Family(customers=2)) as api, rest(api, streams=FAMILY, events=events) as source:
        assert ids(source.read("orders", since)) == ORDERS[:10]
    assert [type(event) for event in events].count(SourceWarned) == 1


def test_a_parent_key_in_a_parameter_and_no_parents_at_all():
    streams = {**FAMILY, "orders": {**FAMILY["orders"], "path": "/orders", "params": {"customer": "{customer_id}"}}}

    def script(asked):
        if asked.path == "/customers":
            return reply(paged([{"id": 4}] if full else [], asked))
        return reply(paged([{"id": int(asked.query["customer"])}], asked))

    for full in (True, False):
        with ScriptedApi(script) as api, rest(api, streams=streams) as source:
            batches = list(source.read("orders", None))
        assert ids(batches) == ([4] if full else [])
        assert ids(batches, "customer_id") == ([4] if full else [])
        assert batches[-1].position.complete


def test_a_parent_without_key():
    with ScriptedApi(lambda _: reply({"items": [{"id": None}], "more": False})) as api:
        with rest(api, streams=FAMILY) as source, pytest.raises(SourceMisread, match="A record has no `id`"):
            list(source.read("orders", None))


def test_a_sample_of_a_dependent_stream():
    with ScriptedApi(Family()) as api, rest(api, streams=FAMILY, parallel_requests=1) as source:
        assert ids([source.sample("orders", 3)]) == [0, 1, 2]
