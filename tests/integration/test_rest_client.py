"""The HTTP client against a real server on loopback, honest and otherwise."""

# ruff: noqa: SIM117 - the surroundings on one line, the error that is expected on the next

import contextlib
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from scripted_api import ScriptedApi, raw, reply

from bief.base.events import Retried
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.http import statuses
from bief.http.client import HttpClient, HttpOptions, Request
from bief.http.transport import USER_AGENT
from bief.ports.runtime import Runtime
from bief.sources.rest import RestOptions

TOKEN = "canary-7f3a9b"
BODY = b'{"items": [1, 2, 3]}'
PACKED = gzip.compress(BODY, mtime=0)
PLAIN_TYPE = b"Content-Type: application/json\r\n"


@contextlib.contextmanager
def client(*, events=None, stop=None, auth=None, **options):
    given = {"max_attempts": 1, "auth": auth or {"type": "bearer", "token": TOKEN}, **options}
    runtime = Runtime(folder=Path(), emit=(events if events is not None else []).append, stop=stop or threading.Event())
    runtime.redactor.learn(TOKEN)
    made = HttpClient("api", HttpOptions.model_validate(given), runtime)
    try:
        yield made
    finally:
        made.close()


def get(made, api, path="/x", **more):
    return made.send(Request("items", api.url + path, **more))


def answers(*pieces, pause_seconds=0.0, keep=False):
    return lambda _: raw(*pieces, pause_seconds=pause_seconds, keep=keep)


def test_a_request_and_its_answer():
    with ScriptedApi(lambda _: reply({"a": 1}, X_Extra="é")) as api, client() as made:
        answer = get(made, api, params=(("q", "a b&c/ü"), ("e", "")), headers={"X-Mine": "1"})

        asked = api.asked[0]
        assert (answer.status, answer.body, answer.headers["x-extra"]) == (200, b'{"a": 1}', "é")
        assert asked.query == {"q": "a b&c/ü", "e": ""}
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["user-agent"] == USER_AGENT
        assert asked.headers["x-mine"] == "1"


def test_connections_are_used_again():
    with ScriptedApi(lambda _: reply({})) as api, client() as made:
        for _ in range(5):
            get(made, api)
        assert api.connections == 1


@pytest.mark.parametrize(
    "encoded",
    [
        (b"gzip", PACKED),
        (b"gzip", gzip.compress(BODY[:7], mtime=0) + gzip.compress(BODY[7:], mtime=0)),
        (b"identity", BODY),
    ],
)
def test_compressed_bodies(encoded):
    coding, body = encoded
    script = lambda _: reply(body=body, Content_Encoding=coding.decode())  # noqa: E731 - one use
    with ScriptedApi(script) as api, client() as made:
        assert get(made, api).body == BODY


def test_a_chunked_body():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = answers(head, b"5\r\n" + BODY[:5] + b"\r\n", b"f\r\n" + BODY[5:] + b"\r\n0\r\n\r\n")
    with ScriptedApi(script) as api, client() as made:
        assert get(made, api).body == BODY


BROKEN = {
    "short body": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + BODY],
    "long body": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + BODY],
    "no chunk terminator": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5] + b"\r\n"],
    "chunk cut": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + BODY[:5]],
    "bytes after the last chunk": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + BODY + b"\r\n0\r\n\r\nHTTP/1.1"
    ],
    "truncated gzip": [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(PACKED) - 4) + PACKED[:-4]
    ],
    "no answer": [b""],
    "half a header": [b"HTTP/1.1 200 OK\r\nContent-"],
    "no http": [b"SSH-2.0-OpenSSH_9.6\r\n"],
}


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_transient_and_tried_again(pieces):
    first = threading.Event()

    def script(_):
        if first.is_set():
            return reply(body=BODY)
        first.set()
        return raw(*pieces)

    with ScriptedApi(script) as api, client() as once, pytest.raises(SourceUnavailable):
        get(once, api)
    first.clear()
    events = []
    with ScriptedApi(script) as api, client(events=events, max_attempts=2) as twice:
        assert get(twice, api).body == BODY
    assert [type(event) for event in events] == [Retried]


def test_bytes_too_many_never_reach_the_next_answer():
    """Request smuggling in reverse: what follows an answer on a kept connection is not the next answer."""
    second = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    def script(asked):
        if asked.path == "/first":
            return raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY + second, keep=True)
        return reply(body=b"good")

    with ScriptedApi(script) as api, client() as made:
        with pytest.raises(SourceUnavailable, match="more bytes than it had announced"):
            get(made, api, "/first")
        assert get(made, api, "/second").body == b"good"


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", BODY), ("gzip", PACKED + b"more"), ("br", BODY), ("gzip", gzip.compress(b"\0" * (40 << 20), mtime=0))],
)
def test_a_body_that_is_not_what_it_says(coding, body):
    with ScriptedApi(lambda _: reply(body=body, Content_Encoding=coding)) as api, client(max_attempts=3) as made:
        with pytest.raises(SourceMisread, match="cannot be decompressed"):
            get(made, api)
        assert len(api.asked) == 1


def test_a_server_that_trickles_is_cut_at_the_deadline():
    head = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]
    with ScriptedApi(answers(*head, *[b"x"] * 1000, pause_seconds=0.05)) as api:
        for limits in ({"total_seconds": 0.5},):
            begun = time.monotonic()
            with client(limits=limits) as made, pytest.raises(SourceUnavailable, match=r"not complete after 0\.5 s"):
                get(made, api)
            assert 0.4 < time.monotonic() - begun < 3


@pytest.mark.parametrize(
    "piece", [b"H", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_trickling_headers_and_chunk_sizes_are_cut_too(piece):
    with ScriptedApi(answers(piece, *[b"1"] * 1000, pause_seconds=0.05)) as api:
        begun = time.monotonic()
        with client(limits={"total_seconds": 0.5}) as made, pytest.raises(SourceUnavailable):
            get(made, api)
        assert time.monotonic() - begun < 3


def test_a_body_without_length_that_is_cut_at_the_deadline_is_not_taken_for_whole():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with ScriptedApi(answers(head, *[b"1"] * 1000, pause_seconds=0.05)) as api:
        with client(limits={"total_seconds": 0.5}) as made, pytest.raises(SourceUnavailable, match="not complete"):
            get(made, api)


def test_a_silent_server():
    with ScriptedApi(answers(b"x", pause_seconds=30)) as api, client(limits={"read_seconds": 0.2}) as made:
        with pytest.raises(SourceUnavailable, match=r"silent for 0\.2 s"):
            get(made, api)


def test_stop_interrupts_a_request_under_way():
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    with ScriptedApi(answers(b"x", pause_seconds=30)) as api, client(stop=stop, max_attempts=5) as made:
        with pytest.raises(SourceUnavailable, match="told to stop"):
            get(made, api)
        assert time.monotonic() - begun < 3


def test_an_endless_body_meets_the_limit():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with ScriptedApi(answers(head, *[b"x" * 65536] * 200)) as api, client(limits={"max_bytes": 1 << 20}) as made:
        with pytest.raises(SourceRefused, match="larger than 1048576 bytes"):
            get(made, api)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with client() as made, pytest.raises(SourceUnavailable, match="refused") as raised:
        made.send(Request("items", f"http://127.0.0.1:{port}/x"))
    assert raised.value.__context__ is None


@pytest.mark.parametrize("status", sorted(statuses.TRANSIENT))
def test_transient_statuses(status):
    script = lambda _: reply({"why": "busy"}, status=status, Retry_After="0.01")  # noqa: E731 - one use
    with ScriptedApi(script) as api, client(max_attempts=3) as made:
        with pytest.raises(SourceUnavailable, match=f"answered {status}.*busy") as raised:
            get(made, api)
        assert raised.value.retry_after_seconds == 0.01
        assert len(api.asked) == 3


@pytest.mark.parametrize("status", [206, 304, 400, 401, 402, 403, 404, 405, 406, 409, 410, 418, 422, 451, 501, 505])
def test_permanent_statuses(status):
    script = lambda _: raw(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status, keep=True)  # noqa: E731 - one use
    with ScriptedApi(script) as api, client(max_attempts=3) as made:
        with pytest.raises(SourceRefused, match=f"answered {status}") as raised:
            get(made, api)
        assert len(api.asked) == 1
        assert raised.value.do.endswith(".")


def test_an_error_says_what_where_and_what_to_do_without_secrets():
    echo = f"invalid token {TOKEN}\x1b[2J"
    with ScriptedApi(lambda _: reply({"message": echo}, status=401)) as api, client() as made:
        with pytest.raises(SourceRefused) as raised:
            get(made, api, "/customers", params=(("limit", "5"),))
        text = str(raised.value)

    assert text.startswith(f"api.items: GET {api.url}/customers?limit=5: The server answered 401 Unauthorized: ")
    assert text.endswith("Check `auth.token` of source 'api' in bief.yaml: the credentials are wrong or have expired.")
    assert TOKEN not in text
    assert "\x1b" not in text
    assert "\n" not in text


def test_a_secret_cut_in_two_by_the_quote_is_not_shown():
    body = b"x" * 195 + TOKEN.encode()
    with ScriptedApi(lambda _: reply(body=body, status=400)) as api, client() as made:
        with pytest.raises(SourceRefused) as raised:
            get(made, api)
    assert "x" * 190 in str(raised.value)
    assert "can" not in str(raised.value)


def test_a_key_in_the_query_is_sent_and_never_shown():
    auth = {"type": "api_key", "key": TOKEN, "param": "key"}
    with ScriptedApi(lambda _: reply(status=404)) as api, client(auth=auth) as made:
        with pytest.raises(SourceRefused) as raised:
            get(made, api, "/x", params=(("q", "1"),))
        assert api.asked[0].query == {"q": "1", "key": TOKEN}
    assert "key" not in raised.value.where
    with client(auth=auth) as made, pytest.raises(SourceUnavailable) as raised:
        get(made, api)
    assert TOKEN not in repr(raised.value) + str(raised.value) + repr(raised.value.__context__)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "basic", "username": "me", "password": "open"}, "authorization", "Basic bWU6b3Blbg=="),
        ({"type": "api_key", "key": "k", "header": "X-Key"}, "x-key", "k"),
    ],
)
def test_other_credentials(auth, header, value):
    with ScriptedApi(lambda _: reply({})) as api, client(auth=auth) as made:
        get(made, api)
        assert api.asked[0].headers[header] == value


@pytest.mark.parametrize("status", sorted(statuses.REDIRECTS))
def test_redirects_on_the_same_server_are_followed(status):
    def script(asked):
        return reply({"ok": asked.method}) if asked.path == "/new" else reply(status=status, Location="/new?a=1")

    with ScriptedApi(script) as api, client() as made:
        answer = get(made, api, "/old", method="POST", body=b"{}")

        assert json.loads(answer.body) == {"ok": "POST" if status in (307, 308) else "GET"}
        assert api.asked[1].query == {"a": "1"}
        assert api.asked[1].headers["authorization"] == f"Bearer {TOKEN}"
        assert (api.asked[1].body == b"{}") is (status in (307, 308))


def test_a_redirect_to_another_server_is_refused_and_nothing_is_sent_there():
    with ScriptedApi(lambda _: reply({})) as other:
        for target in (other.url, f"//127.0.0.1:{other.port}/", "file:///etc/passwd", "https://[x", ""):
            with ScriptedApi(lambda _, to=target: reply(status=302, Location=to)) as api, client() as made:
                with pytest.raises(SourceRefused, match="another server"):
                    get(made, api)
        assert other.asked == []


def test_a_circle_of_redirects_is_left():
    with ScriptedApi(lambda _: reply(status=302, Location="/again")) as api, client() as made:
        with pytest.raises(SourceRefused, match="redirected more than 5 times"):
            get(made, api)
        assert len(api.asked) == 6


def test_429_makes_all_streams_wait():
    lock = threading.Event()

    def script(_):
        if lock.is_set():
            return reply({})
        lock.set()
        return reply(body=b"slow down", status=429, Retry_After="1", Content_Type="text/plain")

    with ScriptedApi(script) as api, client(max_attempts=3) as made:
        other = threading.Thread(target=lambda: (lock.wait(5), time.sleep(0.1), get(made, api, "/other")))
        other.start()
        get(made, api, "/first")
        other.join()
        assert all(asked.at - api.asked[0].at >= 1 for asked in api.asked[1:])
        assert len(api.asked) == 3


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate of the test server, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    return folder


def test_a_certificate_is_verified(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with ScriptedApi(lambda _: reply({"a": 1}), tls=context) as api:
        with (
            client(max_attempts=3) as made,
            pytest.raises(SourceRefused, match="certificate is not to be trusted: self"),
        ):
            get(made, api)
        assert api.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        with client() as made:
            assert get(made, api).body == b'{"a": 1}'
            with pytest.raises(SourceRefused, match="certificate"):
                made.send(Request("items", f"https://localhost:{api.port}/"))


def test_a_handshake_that_never_ends_is_cut():
    with ScriptedApi(answers(b"\x16", *[b"\x03"] * 1000, pause_seconds=0.05)) as api:
        begun = time.monotonic()
        with client(limits={"total_seconds": 0.5}) as made, pytest.raises(SourceUnavailable):
            made.send(Request("items", f"https://127.0.0.1:{api.port}/"))
        assert time.monotonic() - begun < 3


def test_a_proxy_is_used_but_not_for_this_machine(monkeypatch):
    with (
        ScriptedApi(lambda asked: reply({"via": "proxy"})) as proxy,
        ScriptedApi(lambda _: reply({"via": "self"})) as api,
    ):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{TOKEN}@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://me:{TOKEN}@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "inside.example.com")
        monkeypatch.setenv("no_proxy", "inside.example.com")
        with client(limits={"connect_seconds": 1}) as made:
            assert b"proxy" in made.send(Request("items", "http://api.example.com/x")).body
            assert proxy.asked[0].target == "http://api.example.com/x"
            assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
            assert b"self" in get(made, api).body
            with pytest.raises(SourceUnavailable):
                made.send(Request("items", "http://inside.example.com/x"))
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    "source",
    [
        {"headers": {"X-A": "one\r\nX-B: two"}},
        {"headers": {"X-A\r\nX-B": "one"}},
        {"headers": {"X-A": "\x00"}},
        {"auth": {"type": "bearer", "token": "one\r\nX-B: two"}},
        {"auth": {"type": "api_key", "key": "k", "header": "X A"}},
        {"base_url": "https://user:pass@api.example.com"},
        {"base_url": "https://api.example.com?key=1"},
        {"base_url": "ftp://api.example.com"},
    ],
)
def test_options_that_could_smuggle_are_refused(source):
    given = {"base_url": "https://api.example.com", "streams": {"a": {"path": "/a"}}, **source}

    with pytest.raises(ValidationError):
        RestOptions.model_validate(given)


def test_the_http_library_logs_no_urls(caplog):
    caplog.set_level("DEBUG")
    auth = {"type": "api_key", "key": TOKEN, "param": "key"}
    with ScriptedApi(lambda _: raw(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n")) as api, client(auth=auth) as made:
        with pytest.raises(SourceUnavailable):
            get(made, api)
    assert TOKEN not in caplog.text
