"""Files of a web server: whole, from the right server, with our credentials shown to nobody else."""

from __future__ import annotations

import gzip

import pytest
from file_sources import STREAM, again, file_source, json_lines, rows_of, spooled
from pydantic import ValidationError
from scripted_api import Reply, ScriptedApi, raw, reply

from bief.base.events import Retried
from bief.errors import SourceChanged, SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.storage.stored import StoredFile
from bief.storage.web import WebStorage
from bief.storage.web_requests import WebAccess

ROWS = json_lines(0, 100)


def ids(batches):
    return [row["id"] for row in rows_of(batches)]


def files(contents, **headers):
    """A server of files: name → content; honest answers to HEAD and GET."""

    def answer(asked):
        content = contents.get(asked.path)
        if content is None:
            return reply(status=404)
        whole = reply(body=content, content_type="application/octet-stream", **headers)
        if asked.method == "HEAD":
            return Reply([whole.pieces[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"])
        return whole

    return ScriptedApi(answer)


def web(api, names, tmp_path, **words):
    return file_source(tmp_path, names, path=f"{api.url}/exports", **words)


@pytest.fixture
def storage(tmp_path):
    """Makes the place by itself, with few tries and little patience."""
    made = []

    def storage_of(api, **words):
        access = WebAccess(**{"url": api.url, "attempts": 1, "read_seconds": 1, **words})
        made.append(WebStorage(access, Runtime(folder=tmp_path)))
        return made[-1]

    yield storage_of
    for each in made:
        each.close()


def the_file(api, name="a.jsonl"):
    return StoredFile(name, f"{api.url}/{name}", None, None, None, "", "")


def test_files_are_fetched_by_name(tmp_path):
    contents = {"/exports/a%20b.jsonl": ROWS, "/exports/sub/c.jsonl.gz": gzip.compress(json_lines(100, 110))}
    with files(contents) as api, web(api, ["a b.jsonl", "sub/c.jsonl.gz"], tmp_path) as source:
        source.check()
        assert ids(source.read(STREAM, None)) == list(range(110))
        assert ids([source.sample(STREAM, 3)]) == [0, 1, 2]
    assert spooled(tmp_path) == []


def test_a_sample_does_not_fetch_the_whole_file(tmp_path):
    sent = []
    body = json_lines(0, 2000)
    head = reply(body=body).pieces[0].partition(b"\r\n\r\n")[0].replace(str(len(body)).encode(), b"1000000000")

    def pieces():
        for piece in [head + b"\r\n\r\n", *[body] * 1000]:
            sent.append(len(piece))
            yield piece

    def answer(asked):
        return raw(head + b"\r\n\r\n") if asked.method == "HEAD" else Reply(pieces(), keep=False)

    with ScriptedApi(answer) as api, web(api, "a.jsonl", tmp_path) as source:
        assert ids([source.sample(STREAM, 3)]) == [0, 1, 2]
    assert sum(sent) < 100 << 20 >> 1


def test_patterns_are_refused_as_a_web_server_does_not_list(tmp_path):
    with pytest.raises(ValidationError, match="does not list its files"), web_nowhere(tmp_path, "*.csv"):
        pass


def web_nowhere(tmp_path, names, **words):
    return file_source(tmp_path, names, path="https://example.com/x", **words)


@pytest.mark.parametrize("headers", [{"etag": '"1"'}, {"last_modified": "Tue, 15 Nov 2023 12:45:26 GMT"}])
@pytest.mark.parametrize("identity", ["content", "version"])
def test_a_file_that_did_not_change_is_not_loaded_again(tmp_path, headers, identity):
    with (
        files({"/exports/a.jsonl": ROWS}, **headers) as api,
        web(api, "a.jsonl", tmp_path, identity=identity) as source,
    ):
        first = list(source.read(STREAM, None))
        assert ids(source.read(STREAM, again(first[-1].position))) == []
        methods = [asked.method for asked in api.asked]
    # Only a tag is proof that nothing changed, where it is the content that counts.
    assert methods == ["HEAD", "GET", "HEAD"] + ([] if "etag" in headers or identity == "version" else ["GET"])


def test_a_new_version_is_loaded(tmp_path):
    contents = {"/exports/a.jsonl": ROWS}
    with files(contents) as api, web(api, "a.jsonl", tmp_path) as source:
        first = list(source.read(STREAM, None))
        contents["/exports/a.jsonl"] = json_lines(500, 510)
        assert ids(source.read(STREAM, again(first[-1].position))) == list(range(500, 510))


def test_a_server_that_tells_no_version_cannot_be_asked_for_versions(tmp_path):
    with (
        files({"/exports/a.jsonl": ROWS}) as api,
        web(api, "a.jsonl", tmp_path, identity="version") as source,
        pytest.raises(SourceRefused, match="neither ETag nor Last-Modified"),
    ):
        list(source.read(STREAM, None))


def test_a_server_that_does_not_know_head_is_asked_with_get(tmp_path):
    def answer(asked):
        return reply(status=405, body=b"", content_length="0") if asked.method == "HEAD" else reply(body=ROWS)

    with ScriptedApi(answer) as api, web(api, "a.jsonl", tmp_path) as source:
        assert ids(source.read(STREAM, None)) == list(range(100))


def test_42_a_file_that_is_not_there_is_an_error(tmp_path):
    with files({}) as api, web(api, "a.jsonl", tmp_path) as source, pytest.raises(SourceRefused, match="no file that"):
        source.check()


def test_69_a_file_that_was_cut_short_is_not_whole(tmp_path, storage):
    short = reply(body=ROWS).pieces[0][:-10]
    with ScriptedApi(lambda asked: raw(short)) as api, pytest.raises(SourceUnavailable, match="cut short"):
        storage(api).fetch(the_file(api), tmp_path / "copy", 1 << 30)


def test_70_chunks_without_an_end_are_not_whole(tmp_path, storage):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with ScriptedApi(lambda asked: raw(chunked)) as api, pytest.raises(SourceUnavailable):
        storage(api).fetch(the_file(api), tmp_path / "copy", 1 << 30)


def test_a_download_that_breaks_off_goes_on_where_it_ended(tmp_path):
    events = []
    body = json_lines(0, 50_000)

    def answer(asked):
        if asked.method == "HEAD":
            return raw(reply(body=body, etag='"7"').pieces[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        if "range" not in asked.headers:
            return raw(reply(body=body, etag='"7"').pieces[0][:300_000])
        assert asked.headers["if-range"] == '"7"'
        start = int(asked.headers["range"].removeprefix("bytes=").rstrip("-"))
        words = {"content_range": f"bytes {start}-{len(body) - 1}/{len(body)}", "etag": '"7"'}
        return reply(status=206, body=body[start:], **words)

    with ScriptedApi(answer) as api, web(api, "a.jsonl", tmp_path, events=events) as source:
        assert ids(source.read(STREAM, None)) == list(range(50_000))
        asked = [each for each in api.asked if each.method == "GET"]
    assert len(asked) == 2
    assert int(asked[1].headers["range"].removeprefix("bytes=").rstrip("-")) > 100_000
    assert [event for event in events if isinstance(event, Retried)]


def test_35_a_download_that_breaks_off_and_finds_another_version_begins_anew(tmp_path):
    old, new = json_lines(0, 50_000), json_lines(50_000, 90_000)

    def answer(asked):
        if asked.method == "HEAD":
            return raw(reply(body=old, etag='"1"').pieces[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        if "range" not in asked.headers:
            return raw(reply(body=old, etag='"1"').pieces[0][:300_000])
        # As the standard has it: the range is not served, as the tag does not fit any more.
        return reply(body=new, etag='"2"')

    with ScriptedApi(answer) as api, web(api, "a.jsonl", tmp_path) as source:
        assert ids(source.read(STREAM, None)) == list(range(50_000, 90_000))


def test_79_a_file_without_end_stops_at_the_limit(tmp_path, storage):
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with (
        ScriptedApi(lambda asked: raw(endless, *[b"x" * 100_000] * 100)) as api,
        pytest.raises(SourceMisread, match="larger than 1000000 bytes"),
    ):
        storage(api).fetch(the_file(api), tmp_path / "copy", 1_000_000)


def test_78_a_download_that_trickles_ends_at_its_time(tmp_path, storage):
    with (
        ScriptedApi(lambda asked: raw(*[b"HTTP/1.1 200 OK\r\n\r\n"], *[b"x"] * 1000, pause_seconds=0.02)) as api,
        pytest.raises(SourceRefused, match="did not end in the time"),
    ):
        storage(api, total_seconds=0.5).fetch(the_file(api), tmp_path / "copy", 1 << 30)


def test_78_a_server_that_says_nothing_is_not_waited_for(tmp_path, storage):
    with (
        ScriptedApi(lambda asked: raw(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause_seconds=2)) as api,
        pytest.raises(SourceUnavailable, match="silent for 1 s"),
    ):
        storage(api).fetch(the_file(api), tmp_path / "copy", 1 << 30)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fault_of_the_server_is_tried_again(tmp_path, status):
    answers = [reply(status=status), reply(status=status)]
    events = []
    with (
        ScriptedApi(lambda asked: answers.pop() if answers else reply(body=ROWS)) as api,
        web(api, "a.jsonl", tmp_path, events=events) as source,
    ):
        assert ids(source.read(STREAM, None)) == list(range(100))
    assert len([event for event in events if isinstance(event, Retried)]) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_not_tried_again(tmp_path, status):
    with ScriptedApi(lambda asked: reply(status=status)) as api, web(api, "a.jsonl", tmp_path) as source:
        with pytest.raises(SourceRefused, match=f"answered {status}"):
            source.check()
        assert len(api.asked) == 1


def test_73_our_headers_do_not_follow_to_another_server(tmp_path):
    with files({"/signed": ROWS}) as other:
        moved = reply(status=302, body=b"", content_length="0", location=f"http://localhost:{other.port}/signed?sig=1")
        with ScriptedApi(lambda asked: moved) as api:
            words = {"headers": {"Authorization": "Bearer a-token", "X-Key": "a-key"}}
            # The same machine under another name would be an inner address from outside: not from here.
            with web(api, "a.jsonl", tmp_path, **words) as source, pytest.raises(SourceRefused, match="inner address"):
                source.check()
            assert api.asked[0].headers["authorization"] == "Bearer a-token"
            assert api.asked[0].headers["x-key"] == "a-key"
        assert other.asked == []
        with (
            ScriptedApi(
                lambda asked: reply(status=302, body=b"", content_length="0", location=f"{other.url}/signed")
            ) as api,
            web(api, "a.jsonl", tmp_path, **words) as source,
        ):
            assert ids(source.read(STREAM, None)) == list(range(100))
        assert other.asked
        assert not [asked for asked in other.asked if {"authorization", "x-key"} & set(asked.headers)]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///etc/passwd", "no web address"),
        ("ftp://example.com/x", "no web address"),
        ("", "no web address"),
        ("http://169.254.169.254/latest/meta-data", "inner address 169.254.169.254"),
        ("http://10.0.0.1/x", "inner address"),
        ("http://[::1]/x", "inner address"),
        ("http://[broken/x", "cannot be read"),
    ],
)
def test_74_a_redirect_to_elsewhere_is_refused(tmp_path, location, said):
    moved = reply(status=302, body=b"", content_length="0", location=location)
    with ScriptedApi(lambda asked: moved) as api, web(api, "a.jsonl", tmp_path) as source:
        with pytest.raises(SourceRefused, match=said):
            source.check()
        assert len(api.asked) == 1


def test_72_redirects_in_a_circle_end(tmp_path):
    moved = reply(status=302, body=b"", content_length="0", location="/exports/a.jsonl")
    with (
        ScriptedApi(lambda asked: moved) as api,
        web(api, "a.jsonl", tmp_path) as source,
        pytest.raises(SourceRefused, match="more than 5 times"),
    ):
        source.check()


def test_71_a_coding_that_nobody_asked_for_is_an_error(tmp_path):
    body = gzip.compress(ROWS)
    with ScriptedApi(lambda asked: reply(body=body, content_encoding="gzip")) as api:
        with web(api, "a.jsonl", tmp_path) as source, pytest.raises(SourceMisread, match="not asked for"):
            list(source.read(STREAM, None))
        assert {asked.headers["accept-encoding"] for asked in api.asked} == {"identity"}


def test_71_a_server_may_call_the_compression_of_the_file_a_coding(tmp_path):
    body = gzip.compress(ROWS)
    answer = reply(body=body, content_encoding="gzip")
    with ScriptedApi(lambda asked: answer) as api, web(api, "a.jsonl.gz", tmp_path) as source:
        assert ids(source.read(STREAM, None)) == list(range(100))


def test_80_a_header_with_a_line_break_is_refused(tmp_path):
    with (
        pytest.raises(ValidationError, match="on one line"),
        web_nowhere(tmp_path, "a.csv", headers={"X-Key": "a\r\nX-Other: b"}),
    ):
        pass


def test_errors_do_not_show_credentials_or_signatures(tmp_path):
    with ScriptedApi(lambda asked: raw(b"")) as api:
        runtime = Runtime(folder=tmp_path)
        runtime.stop.set()
        words = {"headers": {"Authorization": "Bearer a-token"}, "runtime": runtime}
        with web(api, "a.jsonl", tmp_path, **words) as source, pytest.raises(SourceUnavailable) as caught:
            source.check()
    assert "a-token" not in str(caught.value)
    assert runtime.redactor.clean("Bearer a-token") == "***"


def test_35_a_file_of_the_web_is_a_snapshot(tmp_path):
    """What was fetched is read, whatever the server has by now."""
    contents = {"/exports/a.jsonl": json_lines(0, 700_000)}
    with files(contents) as api, web(api, "a.jsonl", tmp_path) as source:
        batches = source.read(STREAM, None)
        seen = [next(batches)]
        contents["/exports/a.jsonl"] = ROWS
        try:
            seen.extend(batches)
        except SourceChanged:  # pragma: no cover - it would be wrong
            pytest.fail("a fetched file cannot change")
    assert sum(batch.rows.num_rows for batch in seen) == 700_000
