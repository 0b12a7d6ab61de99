"""Answers of a web API in the raw zone: what names a request, and what is kept of an answer.

Called by `http.client` around everything that speaks to the network, so that a replay needs neither the API nor its
credentials. Requests for tokens do not come by here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from bief.http.transport import Answer
from bief.http.urls import Params, path_of, with_params, without_params
from bief.ports.raw import Kept, RawTrack

# Sessions are credentials too; the others describe a transfer that is over.
_NOT_KEPT: Final = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authenticate", "www-authenticate"})


def identity_of(method: str, url: str, params: Params, body: bytes | None, credentials: Iterable[str]) -> str:
    """A request in one line, without host and credentials: the same API may stand elsewhere tomorrow."""
    path = path_of(without_params(with_params(url, params), credentials))
    digest = f" {hashlib.sha256(body).hexdigest()}" if body is not None else ""
    return f"{method} {path}{digest}"


def recorded(track: RawTrack, identity: str, send: Callable[[], Answer]) -> Answer:
    """The answer to a request, by way of a track."""

    def fetch() -> Kept:
        answer = send()
        headers = {name: value for name, value in answer.headers.items() if name not in _NOT_KEPT}
        return Kept({"status": answer.status, "headers": headers, "seconds": answer.seconds}, answer.body)

    kept = track.through(identity, fetch)
    about = kept.about
    return Answer(int(about["status"]), about["headers"], kept.body, float(about["seconds"]))
