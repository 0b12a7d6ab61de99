"""OAuth 2: tokens are fetched once for all threads, renewed in time and once after a 401, and never shown."""

# ruff: noqa: SIM117 - the surroundings on one line, the error that is expected on the next

import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from scripted_api import ScriptedApi, reply

from bief.errors import SourceRefused, SourceUnavailable
from bief.http.client import HttpClient, HttpOptions, Request
from bief.ports.runtime import Runtime

SECRET = "client-s3cret-1"


class TokenServer:
    """Gives out token-1, token-2, … and accepts only those in `valid`."""

    def __init__(self, **given):
        self.given = {"expires_in": 3600, **given}
        self.forms = []
        self.count = 0
        self.valid = set()
        self.token_status = 200
        self.pause_seconds = 0.0
        self.refusal_seconds = 0.0

    def __call__(self, asked):
        if asked.path == "/token":
            self.forms.append({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
            time.sleep(self.pause_seconds)
            if self.token_status != 200:
                return reply({"error": "invalid_grant", "was": SECRET}, status=self.token_status)
            self.count += 1
            token = f"token-{self.count}-canary"
            self.valid.add(token)
            return reply({"access_token": token, "token_type": "bearer", **self.given})
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.valid:
            return reply({"ok": True})
        time.sleep(self.refusal_seconds)
        return reply({"said": token}, status=401)


class Client:
    def __init__(self, api, *, attempts=1, **auth):
        self.runtime = Runtime(folder=Path())
        self.runtime.redactor.learn(SECRET)
        options = {
            "auth": {
                "type": "oauth2",
                "token_url": f"{api.url}/token",
                "client_id": "bief",
                "client_secret": SECRET,
                **auth,
            },
            "max_attempts": attempts,
        }
        self.client = HttpClient("api", HttpOptions.model_validate(options), self.runtime)
        self.api = api

    def get(self):
        return self.client.send(Request("items", f"{self.api.url}/items"))


def test_client_credentials():
    server = TokenServer()
    with ScriptedApi(server) as api:
        made = Client(api, scope="read write", params={"audience": "x"})
        made.get()
        made.get()

    assert server.forms == [
        {
            "grant_type": "client_credentials",
            "scope": "read write",
            "audience": "x",
            "client_id": "bief",
            "client_secret": SECRET,
        }
    ]
    assert made.runtime.redactor.clean("a token-1-canary b") == "a *** b"


def test_the_client_may_show_itself_by_basic_authentication():
    server = TokenServer()
    with ScriptedApi(server) as api:
        Client(api, client_auth="basic").get()
        assert api.asked[0].headers["authorization"].startswith("Basic ")
    assert "client_secret" not in server.forms[0]


def test_many_threads_fetch_one_token():
    server = TokenServer()
    server.pause_seconds = 0.1
    with ScriptedApi(server) as api:
        made = Client(api)
        threads = [threading.Thread(target=made.get) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert server.count == 1


def test_an_expired_token_is_renewed_before_it_is_used():
    server = TokenServer(expires_in=0.4)
    with ScriptedApi(server) as api:
        made = Client(api)
        made.get()
        made.get()
        assert server.count == 1
        time.sleep(0.25)
        made.get()
        assert server.count == 2
        assert [asked.path for asked in api.asked].count("/items") == 3


def test_a_refused_token_is_renewed_once_and_by_one_thread():
    server = TokenServer()
    with ScriptedApi(server) as api:
        made = Client(api)
        made.get()
        server.valid.clear()
        # So long that all threads have sent the old token before the first of them hears that it is refused.
        server.refusal_seconds = 0.3
        threads = [threading.Thread(target=made.get) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert server.count == 2


def test_a_new_token_that_is_refused_too_is_the_end():
    server = TokenServer()
    server.valid = type("Nobody", (set,), {"__contains__": lambda *_: False})()
    with ScriptedApi(server) as api:
        made = Client(api, attempts=5)
        with pytest.raises(SourceRefused, match=r"answered 401.*auth\.scope") as raised:
            made.get()
    assert server.count == 2
    assert "canary" not in str(raised.value)


def test_a_rotated_refresh_token_is_used_the_next_time():
    server = TokenServer(refresh_token="refresh-2-canary")
    with ScriptedApi(server) as api:
        made = Client(api, grant="refresh_token", refresh_token="refresh-1-canary")
        made.get()
        server.valid.clear()
        made.get()

    assert [form["refresh_token"] for form in server.forms] == ["refresh-1-canary", "refresh-2-canary"]
    assert made.runtime.redactor.clean("refresh-2-canary") == "***"


def test_the_token_server_says_no():
    server = TokenServer()
    server.token_status = 400
    with ScriptedApi(server) as api:
        with pytest.raises(SourceRefused, match=r"invalid_grant.*auth\.client_secret") as raised:
            Client(api, attempts=3).get()
        assert len(api.asked) == 1
    assert SECRET not in str(raised.value)


def test_the_token_server_is_busy():
    server = TokenServer()
    server.token_status = 503
    with ScriptedApi(server) as api:
        with pytest.raises(SourceUnavailable, match="token server answered 503"):
            Client(api, attempts=2).get()
        assert api.paths() == ["/token", "/token"]


@pytest.mark.parametrize("token", [None, "", 7, "two\r\nlines", "ünïcode"])
def test_a_token_that_cannot_be_sent(token):
    with ScriptedApi(lambda _: reply({"access_token": token})) as api:
        with pytest.raises(Exception, match="no usable `access_token`"):
            Client(api).get()
