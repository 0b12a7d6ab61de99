"""One page: asked for, checked and opened. Called by `walking`, often in several threads at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bief.base.events import PageRead
from bief.batches.salvage import BadRecord
from bief.errors import SourceMisread
from bief.http import statuses
from bief.http.bodies import BodyWrong, text_bytes
from bief.http.client import Answer, HttpClient
from bief.http.page_facts import ABSENT, Ask, Seen
from bief.http.places import Place
from bief.ports.runtime import Runtime
from bief.sources.rest.envelopes import Envelope, Opened, Record
from bief.sources.rest.requests import Endpoint, Requests

NOT_FOUND = 404


@dataclass(frozen=True)
class Page:
    """The records of one answer. `status` is that of the answer: the list's own, or one that the caller accepts."""

    records: Sequence[Record]
    bad: tuple[BadRecord, ...]
    seen: Seen
    status: int
    place: Place

    @property
    def rows(self) -> int:
        return self.seen.rows


class PageReader:
    """Reads pages of one list. Safe to share by threads."""

    def __init__(
        self, client: HttpClient, endpoint: Endpoint, requests: Requests, fields: tuple[str, ...], runtime: Runtime
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._requests = requests
        self._fields = fields
        self._runtime = runtime
        self._envelope = Envelope(endpoint.records, fields, endpoint.error_when)

    def page(self, ask: Ask, *, accept: frozenset[int] = frozenset()) -> Page:
        """The page, complete and open. Raises SourceError."""
        request = self._requests.request(ask, accept=accept)
        answer = self._client.send(request)
        place = self._client.place(request)
        if answer.status in request.accept or answer.status in statuses.EMPTY:
            opened = Opened((), (), dict.fromkeys(self._fields, ABSENT))
        else:
            opened = self._opened(answer, place)
            self._announce(opened, answer, place)
        rows = len(opened.records) + len(opened.bad)
        seen = Seen(rows, request.url, answer.headers, opened.fields, _misread_at(place))
        return Page(opened.records, opened.bad, seen, answer.status, place)

    def _opened(self, answer: Answer, place: Place) -> Opened:
        try:
            body = text_bytes(answer.body, answer.headers.get("content-type", ""))
        except BodyWrong as error:
            raise place.misread(f"The body cannot be read: {error}.") from None
        if not body.strip():
            raise place.misread(
                f"The server answered {statuses.named(answer.status)} with an empty body.",
                "Check `path`; an answer without content has status 204.",
            )
        return self._envelope.opened(body, place)

    def _announce(self, opened: Opened, answer: Answer, place: Place) -> None:
        source, _, stream = place.owner.partition(".")
        self._runtime.emit(
            PageRead(
                source=source,
                stream=stream,
                rows=len(opened.records) + len(opened.bad),
                bytes=len(answer.body),
                seconds=answer.seconds,
            )
        )


def _misread_at(place: Place) -> Any:
    def misread(what: str, do: str) -> SourceMisread:
        return place.misread(f"{what}.", do)

    return misread
