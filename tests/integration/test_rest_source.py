"""The REST source against a real server: full reads by every way of paging, positions, strictness, the simulator."""

# ruff: noqa: SIM117 - the surroundings on one line, the error that is expected on the next

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from rest_sources import again, ids, rest
from scripted_api import ScriptedApi, raw, reply

from bief.base.events import PageRead, SourceWarned, StreamSized
from bief.batches.batch import ROW_NUMBER, Position
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.registry import source_class
from bief.ports.runtime import Runtime
from bief.sources.rest import RestOptions, RestSource, collecting

ITEMS = [{"id": number, "name": f"n{number}"} for number in range(23)]
SIZED = {"size_param": "limit", "size": 5}
PAGINATIONS = {
    "page": {"type": "page", **SIZED},
    "page with flag": {"type": "page", "has_more": "more", **SIZED},
    "page with pages": {"type": "page", "total_pages": "meta.pages", **SIZED},
    "page with total": {"type": "page", "total_items": "meta.total", **SIZED},
    "page from 0": {"type": "page", "first": 0, "page_param": "p", **SIZED},
    "offset": {"type": "offset", **SIZED},
    "offset with total": {"type": "offset", "total_items": "meta.total", **SIZED},
    "cursor": {"type": "cursor", "cursor_param": "after", "next_cursor": "next", "has_more": "more", **SIZED},
    "cursor without flag": {"type": "cursor", "cursor_param": "after", "next_cursor": "next", **SIZED},
    "link": {"type": "link", **SIZED},
    "next_url": {"type": "next_url", "next_url": "links.next", **SIZED},
}


class Listing:
    """Plays one list of records, by whatever way of paging is asked for. `cap`: the most records it gives per page."""

    def __init__(self, items=ITEMS, *, cap=100, beyond=None):
        self.items = items
        self.cap = cap
        self.beyond = beyond

    def __call__(self, asked):
        query = asked.query
        size = min(int(query.get("limit", 100)), self.cap)
        if "page" in query:
            start = (int(query["page"]) - 1) * size
        elif "p" in query:
            start = int(query["p"]) * size
        else:
            start = int(query.get("offset") or query.get("after") or 0)
        found = self.items[start : start + size]
        if self.beyond and start and not found:
            return reply({"error": "no such page"}, status=self.beyond)
        end = start + size
        more = end < len(self.items)
        following = f"/list?after={end}&limit={size}" if more else None
        return reply(
            {
                "items": found,
                "more": more,
                "next": str(end) if more else None,
                "links": {"next": following},
                "meta": {"total": len(self.items), "pages": -(-len(self.items) // size)},
            },
            Link=f'<{following}>; rel="next"' if more else '<x>; rel="prev"',
        )


def test_the_registry_knows_it():
    assert source_class("rest") is RestSource


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("pagination", PAGINATIONS.values(), ids=PAGINATIONS.keys())
def test_every_way_of_paging_reads_every_record_once_and_in_order(pagination, parallel):
    with ScriptedApi(Listing()) as api, rest(api, pagination=pagination, parallel_requests=parallel) as source:
        batches = list(source.read("list", None))

    assert ids(batches) == list(range(23))
    assert [batch.position.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert batches[-1].position.value == {}
    assert batches[0].rows.column(ROW_NUMBER).to_pylist()[:3] == [0, 1, 2]


@pytest.mark.parametrize("pagination", PAGINATIONS.values(), ids=PAGINATIONS.keys())
def test_a_read_can_be_taken_up_after_every_batch(pagination):
    with ScriptedApi(Listing()) as api, rest(api, {"batch_rows": 5}, pagination=pagination) as source:
        batches = list(source.read("list", None))
        assert len(batches) >= 5
        for number, batch in enumerate(batches[:-1]):
            rest_of_it = list(source.read("list", again(batch.position)))
            assert ids(batches[: number + 1]) + ids(rest_of_it) == list(range(23))
            assert rest_of_it[-1].position.complete


@pytest.mark.parametrize("kind", ["page", "offset", "page from 0"])
def test_numbered_pages_are_asked_for_ahead_and_in_parallel(kind):
    under_way, most = [0], [0]
    lock = threading.Lock()
    listing = Listing()

    def script(asked):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.1)
        with lock:
            under_way[0] -= 1
        return listing(asked)

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS[kind], parallel_requests=3) as source:
        assert ids(source.read("list", None)) == list(range(23))
    assert most[0] == 3


@pytest.mark.parametrize("beyond", [404, None])
@pytest.mark.parametrize("kind", ["page", "offset"])
def test_pages_beyond_the_end_may_be_empty_or_not_found(kind, beyond):
    with ScriptedApi(Listing(beyond=beyond)) as api, rest(api, pagination=PAGINATIONS[kind]) as source:
        assert ids(source.read("list", None)) == list(range(23))


def test_not_found_inside_a_list_is_not_its_end():
    listing = Listing()

    def script(asked):
        return reply(status=404) if asked.query.get("page") == "3" else listing(asked)

    for kind in ("page", "page with pages", "page with total", "page with flag"):
        with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS[kind]) as source:
            with pytest.raises((SourceMisread, SourceRefused)):
                list(source.read("list", None))


def test_not_found_on_the_first_page_is_an_error():
    with ScriptedApi(lambda _: reply(status=404)) as api, rest(api, pagination=PAGINATIONS["page"]) as source:
        with pytest.raises(SourceRefused, match="404"):
            list(source.read("list", None))


@pytest.mark.parametrize("kind", ["page", "offset", "offset with total", "page with total"])
@pytest.mark.parametrize("cap", [3, 100])
def test_a_server_that_ignores_the_size_loses_nothing(kind, cap):
    listing = Listing(cap=cap)

    def script(asked):
        if cap == 100:
            # It gives all that there is from the offset on, or page by page of its own size.
            query = {**asked.query, "limit": "11"}
            target = asked.path + "?" + "&".join(f"{name}={value}" for name, value in query.items())
            return listing(type(asked)(asked.method, target, asked.headers, asked.body, asked.at, asked.connection))
        return listing(asked)

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS[kind]) as source:
        assert ids(source.read("list", None)) == list(range(23))


@pytest.mark.parametrize("parallel", [1, 4])
def test_offsets_follow_what_came_when_pages_are_of_uneven_size(parallel):
    listing = Listing()

    def script(asked):
        start = int(asked.query["offset"])
        page = json.loads(listing(asked).pieces[0].partition(b"\r\n\r\n")[2])
        return reply({"items": page["items"][: 3 if start == 10 else 5]})

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS["offset"], parallel_requests=parallel) as source:
        assert ids(source.read("list", None)) == list(range(23))


def test_parameters_and_headers_are_sent_with_every_page():
    options = {"params": {"version": 2, "live": True}, "headers": {"X-Team": "data"}}
    for kind in ("page", "cursor", "link", "next_url"):
        stream = {"params": {"filter": '[{"field":"a","value":"b&c"}]'}}
        with ScriptedApi(Listing()) as api, rest(api, stream, pagination=PAGINATIONS[kind], **options) as source:
            assert len(ids(source.read("list", None))) == 23
            for asked in api.asked:
                assert asked.query["filter"] == '[{"field":"a","value":"b&c"}]'
                assert (asked.query["version"], asked.query["live"]) == ("2", "true")
                assert asked.headers["x-team"] == "data"


@pytest.mark.parametrize("kind", ["link", "next_url"])
def test_a_key_in_the_query_is_never_remembered(kind):
    def script(asked):
        at = int(asked.query.get("after", 0))
        link = f"/list?after={at + 5}&key={asked.query['key']}" if at < 20 else None
        return reply({"items": ITEMS[at : at + 5], "links": {"next": link}}, Link=f"<{link}>; rel=next" if link else "")

    auth = {"type": "api_key", "key": "k3y-canary", "param": "key"}
    with ScriptedApi(script) as api, rest(api, {"batch_rows": 5}, pagination=PAGINATIONS[kind], auth=auth) as source:
        batches = list(source.read("list", None))

        assert ids(batches) == list(range(23))
        assert [asked.query["key"] for asked in api.asked] == ["k3y-canary"] * 5
        assert batches[0].position.value == {"page": {"link": "/list?after=5"}}


def test_a_credential_in_a_header_is_not_shown():
    def script(asked):
        return reply({"said": asked.headers["x-api-token"]}, status=403)

    with ScriptedApi(script) as api, rest(api, headers={"X-Api-Token": "t0ken-canary", "X-Team": "data"}) as source:
        with pytest.raises(SourceRefused, match="said") as raised:
            source.check()
    assert "t0ken" not in str(raised.value)


def test_a_body_with_paging_parameters_inside():
    def script(asked):
        page = asked.json["variables"]["page"]
        return reply({"data": {"users": ITEMS[(page["number"] - 1) * page["size"] :][: page["size"]]}})

    stream = {
        "path": "/graphql",
        "method": "POST",
        "body": {"query": "{ users { id } }", "variables": {"team": "a"}},
        "records": "data.users",
        "pagination": {
            "type": "page",
            "params_in": "body",
            "page_param": "variables.page.number",
            "size_param": "variables.page.size",
            "size": 5,
        },
    }
    with ScriptedApi(script) as api, rest(api, stream) as source:
        assert ids(source.read("list", None)) == list(range(23))
        assert api.asked[0].json["query"] == "{ users { id } }"
        assert api.asked[0].json["variables"]["team"] == "a"
        assert api.asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", ["page", "offset", "cursor without flag", "link", "next_url"])
def test_a_server_that_gives_the_same_page_again_is_left(kind):
    def script(asked):
        return reply(
            {"items": ITEMS[:5], "next": "same", "links": {"next": "/list?same"}}, Link="</list?same>; rel=next"
        )

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS[kind]) as source:
        with pytest.raises(SourceMisread, match="pagination loop"):
            list(source.read("list", None))
        assert len(api.asked) < 10


def test_empty_pages_in_between_are_passed_but_not_for_ever():
    def script(asked):
        at = int(asked.query.get("after", 0))
        return reply({"items": ITEMS[:5] if at == 15 else [], "more": at < last[0], "next": str(at + 1)})

    last = [0]
    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS["cursor"]) as source:
        last[0] = 16
        assert ids(source.read("list", None)) == [0, 1, 2, 3, 4]
        last[0] = 60
        with pytest.raises(SourceMisread, match="21 pages in a row were empty"):
            list(source.read("list", None))


def test_bad_records_become_rejected_rows_with_their_place():
    bodies = {
        "1": b'{"items": [{"id": 1}, {"id": 2}]}',
        "2": b'\xef\xbb\xbf{"items": [\n{"id": 3},\n{"id": NaN},\n{"id": "\\ud800"},\n17,\n{"id": 4}\n]}',
    }

    def script(asked):
        return reply(body=bodies.get(asked.query["page"], b'{"items": []}'))

    with ScriptedApi(script) as api, rest(api, pagination={"type": "page"}) as source:
        batches = list(source.read("list", None))
    batch = batches[-1]

    assert ids(batches) == [1, 2, 3, 4]
    assert [(row.rule, row.origin) for row in batch.rejected[:2]] == [
        ("invalid_json", "page 2, record 2"),
        ("invalid_json", "page 2, record 3"),
    ]
    assert batch.rejected[2].origin == "page 2, record 4"
    assert batch.rejected[0].raw == '{"id": NaN}'
    assert batch.read == 7
    number = batch.rows.column(ROW_NUMBER).to_pylist()[-1]
    assert batch.provenance.raw(number) == '{"id": 4}'
    assert batch.provenance.origin(number) == "page 2, record 5"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"items": [{"id": 1}, {"id"', "not JSON"),
        (b"<html>Log in</html>", "not JSON"),
        (b"", "empty body"),
        (b'{"rows": []}', "no `items`"),
        (b'{"items": null}', "null where a list"),
        (b'{"error": "no"}', "answered with an error"),
    ],
)
def test_an_answer_that_is_no_list_moves_nothing(body, error):
    listing = Listing()

    def script(asked):
        return reply(body=body) if asked.query["page"] == "3" else listing(asked)

    with ScriptedApi(script) as api, rest(api, {"batch_rows": 5}, pagination=PAGINATIONS["page"]) as source:
        seen = []
        with pytest.raises((SourceMisread, SourceRefused), match=error):
            seen.extend(source.read("list", None))
        seen = []
        with contextlib.suppress(SourceMisread, SourceRefused):
            for batch in source.read("list", None):
                seen.append(batch)
    assert ids(seen) == list(range(10))[: len(ids(seen))]
    assert all(not batch.position.complete and batch.position.value["page"]["page"] <= 3 for batch in seen)


def test_no_content_is_an_empty_list():
    with ScriptedApi(lambda _: reply(status=204)) as api, rest(api) as source:
        (batch,) = source.read("list", None)
    assert (batch.rows.num_rows, batch.position.complete) == (0, True)


def test_batches_have_no_more_rows_than_wanted():
    with ScriptedApi(Listing()) as api, rest(api, {"batch_rows": 12}, pagination=PAGINATIONS["cursor"]) as source:
        assert [batch.rows.num_rows for batch in source.read("list", None)] == [10, 10, 3]


def test_a_slow_source_still_makes_batches(monkeypatch):
    monkeypatch.setattr(collecting, "BATCH_SECONDS", 0.25)

    def script(asked):
        time.sleep(0.6 if asked.query.get("after") == "15" else 0.05)
        return Listing()(asked)

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS["cursor"]) as source:
        begun = time.monotonic()
        arrived = [(time.monotonic() - begun, batch.rows.num_rows) for batch in source.read("list", None)]
    # What came before the long silence is handed on during it, and not after it.
    assert [rows for _, rows in arrived] == [15, 8]
    assert arrived[0][0] < 0.6


def test_events():
    events = []
    with ScriptedApi(Listing()) as api:
        with rest(api, pagination=PAGINATIONS["page with total"], parallel_requests=1, events=events) as source:
            list(source.read("list", None))

    assert [event.rows for event in events if isinstance(event, PageRead)] == [5, 5, 5, 5, 3]
    assert [event for event in events if isinstance(event, StreamSized)] == [StreamSized(stream="list", rows=23)]


def test_the_network_goes_on_while_the_consumer_works():
    def script(asked):
        time.sleep(0.1)
        return Listing()(asked)

    with ScriptedApi(script) as api, rest(api, {"batch_rows": 5}, pagination=PAGINATIONS["cursor"]) as source:
        begun = time.monotonic()
        for _ in source.read("list", None):
            time.sleep(0.1)
    # One after the other it would be 5 · 0.2 s.
    assert time.monotonic() - begun < 0.85


def test_stop_ends_a_read_early_and_without_error():
    runtime = Runtime(folder=Path())

    def script(asked):
        if asked.query.get("after") == "10":
            runtime.stop.set()
            time.sleep(0.5)
        return Listing()(asked)

    with ScriptedApi(script) as api, rest(api, pagination=PAGINATIONS["cursor"], runtime=runtime) as source:
        begun = time.monotonic()
        batches = list(source.read("list", None))
    assert time.monotonic() - begun < 3
    assert ids(batches) == list(range(10))
    assert [batch.position.complete for batch in batches] == [False]


def test_a_request_that_breaks_off_because_of_a_stop_is_no_error():
    runtime = Runtime(folder=Path())

    def script(_):
        runtime.stop.set()
        return raw(b"")

    with ScriptedApi(script) as api, rest(api, runtime=runtime) as source:
        assert list(source.read("list", None)) == []


def test_leaving_a_read_half_way_ends_its_threads():
    with ScriptedApi(Listing()) as api, rest(api, {"batch_rows": 5}, pagination=PAGINATIONS["page"]) as source:
        reading = source.read("list", None)
        next(reading)
        reading.close()
        end = time.monotonic() + 5
        while any(thread.name.startswith("bief-rest") for thread in threading.enumerate()):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_forgotten_place_is_read_again_from_the_beginning_when_rows_have_keys():
    listing = Listing()

    def script(asked):
        return reply({"m": "gone"}, status=410) if asked.query.get("after") == "old" else listing(asked)

    since = Position({"page": {"cursor": "old"}}, complete=False)
    events = []
    with ScriptedApi(script) as api:
        with rest(api, {"primary_key": "id"}, pagination=PAGINATIONS["cursor"], events=events) as source:
            assert ids(source.read("list", since)) == list(range(23))
        with rest(api, pagination=PAGINATIONS["cursor"]) as source, pytest.raises(SourceRefused, match="410"):
            list(source.read("list", since))
    assert [type(event) for event in events].count(SourceWarned) == 1


def test_a_place_of_another_way_of_paging_is_not_used():
    since = Position({"page": {"page": 3}}, complete=False)
    with ScriptedApi(Listing()) as api, rest(api, pagination=PAGINATIONS["cursor"]) as source:
        assert ids(source.read("list", since)) == list(range(23))


def test_sample_and_check_take_one_small_request():
    with ScriptedApi(Listing()) as api, rest(api, pagination=PAGINATIONS["page"]) as source:
        assert ids([source.sample("list", 2)]) == [0, 1]
        source.check()
        assert [asked.query["limit"] for asked in api.asked] == ["2", "1"]


def test_check_reports_what_is_wrong():
    with ScriptedApi(lambda _: reply(status=401)) as api, rest(api) as source:
        with pytest.raises(SourceRefused, match="401"):
            source.check()


def test_streams_say_what_they_are():
    streams = {
        "plain": {"path": "/a", "primary_key": "customerId", "columns": {"customer_id": {"rename": "customer"}}},
        "paged": {"path": "/b", "pagination": PAGINATIONS["page"], "primary_key": ["meta.id", "day"]},
        "incremental": {"path": "/c", "incremental": {"cursor": "meta.updatedAt"}},
    }
    with ScriptedApi(Listing()) as api, rest(api, streams=streams) as source:
        plain, paged, incremental = source.streams()
        assert api.asked == []

    assert (plain.name, plain.primary_key, plain.incremental, plain.caveats) == ("plain", ("customer",), False, ())
    assert paged.primary_key == ("meta__id", "day")
    assert paged.caveats == ("a row that moves between pages while they are read can be missed",)
    assert (incremental.cursor, incremental.incremental) == ("meta__updated_at", True)
    assert any("600 s" in caveat for caveat in incremental.caveats)


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        ({"path": "no/slash"}, "begins with '/'"),
        ({"path": "/a?b=1"}, "no query"),
        ({"path": "/../a"}, "no query"),
        ({"path": "/a/{id}"}, "nothing fills {id}"),
        ({"path": "/a", "body": {}}, "needs `method: POST`"),
        ({"path": "/a", "incremental": {"cursor": "u"}, "for_each": {"stream": "b", "as": "b"}}, "exclude each other"),
        ({"path": "/a", "for_each": {"stream": "b", "as": "b_id"}}, "no other stream"),
        ({"path": "/a", "pagination": {"type": "cursor"}}, "cursor_param"),
        ({"path": "/a", "paginaton": {}}, "unknown key|paginaton"),
        (
            {"path": "/a", "change_feed": {"path": "/c", "since_param": "s", "time": "t", "details": {"param": "ids"}}},
            "needs `primary_key`",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_before_any_request(stream, problem):
    with pytest.raises(ValidationError, match=problem.replace("{", r"\{")):
        RestOptions.model_validate({"base_url": "https://api.example.com", "streams": {"a": stream}})


def test_either_an_address_or_a_simulator():
    with pytest.raises(ValidationError, match="needs `base_url`"):
        RestOptions.model_validate({"base_url": "", "streams": {"a": {"path": "/a"}}})


def test_connections_fail_for_good_after_the_last_attempt():
    with ScriptedApi(lambda _: raw(b"")) as api, rest(api, max_attempts=2) as source:
        with pytest.raises(SourceUnavailable):
            list(source.read("list", None))
        assert len(api.asked) == 2
