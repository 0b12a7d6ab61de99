"""All requests of one source. Made by `bief.sources.*`, which get back answers that can be trusted to be whole.

A staircase, each step one concern:

    send (raw data: `http.recording`) → _authorized (a refused token is renewed once) → _following (redirects)
         → _limited (rate limit) → Transport.exchange (one request, one answer)

and around it `base.retries`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field

from bief.base.retries import Patience, retried
from bief.config.closed import Closed
from bief.http import statuses
from bief.http.auth import AuthOptions, Authorizer, Credentials, FixedAuthorizer, NoAuth, OAuth2Auth
from bief.http.limits import Limiter, RateLimit
from bief.http.oauth import OAuthAuthorizer
from bief.http.places import Place
from bief.http.recording import identity_of, recorded
from bief.http.transport import Answer, Call, HttpLimits, Transport
from bief.http.urls import Params, resolved, same_origin, with_params, without_params
from bief.ports.runtime import Runtime

__all__ = ["Answer", "HttpClient", "HttpLimits", "HttpOptions", "Request"]

_UNAUTHORIZED: Final = 401
_MOST_REDIRECTS: Final = 5
_FIRST_SUCCESS: Final = 200
_FIRST_REDIRECT: Final = 300
_PARTIAL: Final = 206


class HttpOptions(Closed):
    """What a client needs to know; connectors offer these as options of their own."""

    auth: AuthOptions = NoAuth()
    rate_limit: RateLimit | None = None
    limits: HttpLimits = HttpLimits()
    max_attempts: int = Field(default=6, ge=1, le=100)
    connections: int = Field(default=8, ge=1)


@dataclass(frozen=True)
class Request:
    """One request of one stream. `url` is absolute and holds no credentials.

    `accept`: statuses, besides the successful ones, with which the caller can do something.
    """

    stream: str
    url: str
    method: str = "GET"
    params: Params = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    accept: frozenset[int] = frozenset()


class HttpClient:
    """Sends requests for one source; shared by all its threads."""

    def __init__(self, source: str, options: HttpOptions, runtime: Runtime) -> None:
        self._source = source
        self._runtime = runtime
        self._transport = Transport(options.limits, runtime, connections=options.connections)
        self._limiter = Limiter(options.rate_limit, source, runtime)
        self._authorizer = self._authorizer_for(options.auth)
        self._patience = Patience(attempts=options.max_attempts)

    @property
    def credential_params(self) -> tuple[str, ...]:
        """Query parameters that carry credentials."""
        return self._authorizer.params

    def send(self, request: Request) -> Answer:
        """The answer, tried again while the trouble is transient, or the one that was kept. Raises SourceError."""
        track = self._runtime.raw.track(self._source, request.stream)
        if track is None:
            return self._sent(request)
        credentials = self.credential_params
        identity = identity_of(request.method, request.url, request.params, request.body, credentials)
        return recorded(track, identity, lambda: self._sent(request))

    def _sent(self, request: Request) -> Answer:
        return retried(
            lambda: self._authorized(request),
            what=f"{self._source}.{request.stream}",
            emit=self._runtime.emit,
            stop=self._runtime.stop,
            patience=self._patience,
        )

    def place(self, request: Request) -> Place:
        """The request in words, for errors about its answer."""
        url = without_params(with_params(request.url, request.params), self.credential_params)
        return Place(f"{self._source}.{request.stream}", request.method, url, self._runtime.redactor)

    def close(self) -> None:
        """End what is under way and let go of all connections. Can be called twice."""
        self._transport.close()

    def _authorized(self, request: Request) -> Answer:
        place = self.place(request)
        credentials = self._authorizer.credentials(place.owner)
        answer, wait = self._following(request, credentials, place)
        if answer.status == _UNAUTHORIZED and _UNAUTHORIZED not in request.accept:
            renewed = self._authorizer.renewed(credentials, place.owner)
            if renewed is not None:
                answer, wait = self._following(request, renewed, place)
        return self._judged(answer, wait, request, place)

    def _following(self, request: Request, credentials: Credentials, place: Place) -> tuple[Answer, float | None]:
        """The first answer that is not a redirect, and how long the server wants us to stay away."""
        url, method, body = with_params(request.url, request.params), request.method, request.body
        for _ in range(_MOST_REDIRECTS + 1):
            signed = with_params(without_params(url, credentials.params), tuple(credentials.params.items()))
            call = Call(method, signed, {**request.headers, **credentials.headers}, body)
            answer, wait = self._limited(call, request, place)
            if answer.status not in statuses.REDIRECTS or answer.status in request.accept:
                return answer, wait
            url = self._target(answer, url, place)
            if answer.status in statuses.TURNS_INTO_GET and method != "HEAD":
                method, body = "GET", None
        raise place.refused(f"The server redirected more than {_MOST_REDIRECTS} times.", statuses.advice(302))

    def _target(self, answer: Answer, url: str, place: Place) -> str:
        """Where a redirect leads, if that is the same server: nobody else may see our credentials."""
        location = answer.headers.get("location", "")
        try:
            target = resolved(url, location)
        except ValueError:
            target = ""
        if not location or not same_origin(url, target):
            shown = without_params(target, self.credential_params) or "nowhere"
            raise place.refused(
                f"The server answered {statuses.named(answer.status)} and leads to another server: {shown[:200]}.",
                statuses.advice(answer.status),
            )
        return target

    def _limited(self, call: Call, request: Request, place: Place) -> tuple[Answer, float | None]:
        with self._limiter.slot(request.stream) as slot:
            answer = self._transport.exchange(call, place, lambda: self._limiter.sent(slot))
            return answer, self._limiter.learn(slot, answer.status, answer.headers)

    def _judged(self, answer: Answer, wait: float | None, request: Request, place: Place) -> Answer:
        """The answer, if its status is one that the caller can use."""
        status = answer.status
        if status in request.accept or (_FIRST_SUCCESS <= status < _FIRST_REDIRECT and status != _PARTIAL):
            return answer
        what = f"The server answered {statuses.named(status)}: {place.quote(answer.body)}."
        if status in statuses.TRANSIENT:
            raise place.unavailable(what, statuses.advice(status), retry_after_seconds=wait)
        if status == _UNAUTHORIZED:
            raise place.refused(what, self._authorizer.advice)
        raise place.refused(what, statuses.advice(status))

    def _authorizer_for(self, options: AuthOptions) -> Authorizer:
        if isinstance(options, OAuth2Auth):
            return OAuthAuthorizer(options, self._source, self._transport, self._runtime)
        return FixedAuthorizer(options, self._source)
