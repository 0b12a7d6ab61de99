"""OAuth 2 tokens: fetched once for all threads, replaced before they expire and once when the server refuses one.

Used by `http.client` through the `Authorizer` protocol of `http.auth`. Every token is taught to the redactor before
anything else sees it.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Final
from urllib.parse import quote, urlencode

from bief.base.secrets import Secret
from bief.http import statuses
from bief.http.auth import Credentials, OAuth2Auth, basic
from bief.http.places import Place
from bief.http.transport import Answer, Call, Transport
from bief.ports.runtime import Runtime

_OK: Final = 200


class OAuthAuthorizer:
    """Holds one access token for all streams of a source."""

    def __init__(self, options: OAuth2Auth, source: str, transport: Transport, runtime: Runtime) -> None:
        self._options = options
        self._source = source
        self._transport = transport
        self._runtime = runtime
        self._lock = threading.Lock()
        self._current: Credentials | None = None
        self._expires_at = float("inf")
        self._refresh_token = options.refresh_token
        self.params: tuple[str, ...] = ()
        self.advice = (
            f"The token was new and still refused: check `auth.scope` and `auth.client_id` of source '{source}'"
            " in bief.yaml."
        )

    def credentials(self, owner: str) -> Credentials:
        # The lock is held while a token is fetched: the other threads wait for it instead of fetching their own.
        with self._lock:
            if self._current is None or self._runtime.clock.monotonic() >= self._expires_at:
                self._current = self._fetched(owner)
            return self._current

    def renewed(self, refused: Credentials, owner: str) -> Credentials | None:
        with self._lock:
            if self._current is refused or self._current is None:
                self._current = self._fetched(owner)
            return self._current

    def _fetched(self, owner: str) -> Credentials:
        place = Place(owner, "POST", self._options.token_url, self._runtime.redactor)
        answer = self._transport.exchange(self._call(), place)
        if answer.status != _OK:
            raise self._problem(answer, place)
        return self._accepted(answer, place)

    def _call(self) -> Call:
        options = self._options
        form = {"grant_type": options.grant, **options.params}
        if options.scope:
            form["scope"] = options.scope
        if options.grant == "refresh_token" and self._refresh_token is not None:
            form["refresh_token"] = self._refresh_token.reveal()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        secret = options.client_secret.reveal() if options.client_secret else ""
        if options.client_auth == "basic":
            headers["Authorization"] = basic(quote(options.client_id, safe=""), quote(secret, safe=""))
        else:
            form["client_id"] = options.client_id
            if secret:
                form["client_secret"] = secret
        return Call("POST", options.token_url, headers, urlencode(form).encode())

    def _accepted(self, answer: Answer, place: Place) -> Credentials:
        try:
            given = json.loads(answer.body)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            # Nothing of the body is quoted: it may hold a token that nobody has learnt yet.
            raise place.misread("The answer is not a JSON object.", "Check `auth.token_url`.")
        self._learn(given)
        token = given.get("access_token")
        if not isinstance(token, str) or not token or not token.isprintable() or not token.isascii():
            raise place.misread("The answer holds no usable `access_token`.", "Check `auth.token_url`.")
        self._expires_at = self._expiry(given.get("expires_in"))
        return Credentials({"Authorization": f"Bearer {token}"})

    def _learn(self, given: dict[str, Any]) -> None:
        for name in ("access_token", "refresh_token", "id_token"):
            value = given.get(name)
            if isinstance(value, str) and value:
                self._runtime.redactor.learn(value)
                if name == "refresh_token":
                    self._refresh_token = Secret(value)

    def _expiry(self, expires_in: Any) -> float:
        try:
            seconds = float(expires_in)
        except (TypeError, ValueError):
            return float("inf")
        # A token that lives shorter than the margin is used for half its life rather than fetched for each request.
        margin = min(self._options.expiry_margin_seconds, seconds / 2)
        return self._runtime.clock.monotonic() + max(seconds - margin, 0.0)

    def _problem(self, answer: Answer, place: Place) -> Exception:
        what = f"The token server answered {statuses.named(answer.status)}: {place.quote(answer.body)}."
        if answer.status in statuses.TRANSIENT:
            return place.unavailable(what, statuses.advice(answer.status))
        what_to_check = "`auth.client_id`, `auth.client_secret`"
        if self._options.grant == "refresh_token":
            what_to_check += " and `auth.refresh_token` (it may have been used up: some servers replace it each time)"
        return place.refused(what, f"Check {what_to_check} of source '{self._source}' in bief.yaml.")
