"""From what a stream declares to the request of one page. Used by `pages`.

Placeholders: `{name}` (the key of a `for_each`) in path, parameters and body; `$cursor`, `$ids` and `$csv` in
parameters and body. All values are encoded for the place they go to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from bief.http.client import Request
from bief.http.page_facts import Ask
from bief.http.paging_options import Pagination, SinglePage
from bief.http.urls import joined, resolved
from bief.sources.rest.options import RestOptions
from bief.sources.rest.stream_options import RestStream

# A placeholder without a value takes the whole parameter with it: a filter for "since nothing" is no filter.
_MISSING = object()


@dataclass(frozen=True)
class Endpoint:
    """One list of the API: all that its requests have in common, and the shape of its answers."""

    stream: str
    path: str
    method: str = "GET"
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    records: str = ""
    pagination: Pagination = field(default_factory=SinglePage)
    error_when: str | None = None
    # Statuses by which the API says that it cannot answer this question at all (`walking.Declined`).
    declined: frozenset[int] = frozenset()
    # Parameters that are sent with the first page only.
    first_page_params: frozenset[str] = frozenset()


def endpoint_of(options: RestOptions, name: str, stream: RestStream) -> Endpoint:
    """The list that a stream declares."""
    return Endpoint(
        stream=name,
        path=stream.path,
        method=stream.method,
        params={**options.params, **stream.params, **(stream.incremental.filter if stream.incremental else {})},
        body=stream.body,
        headers=options.headers,
        records=options.records if stream.records is None else stream.records,
        pagination=stream.pagination or options.pagination,
        error_when=options.errors.when if options.errors else None,
    )


@dataclass(frozen=True)
class Values:
    """What stands for the placeholders. `keys` are those of the form `{name}`; a value of None has no text."""

    keys: Mapping[str, str] = field(default_factory=dict)
    cursor: str | None = None
    ids: tuple[Any, ...] | None = None

    def filled(self, value: Any) -> Any:
        """The value with its placeholders filled, or `_MISSING`."""
        if isinstance(value, str):
            return self._filled_text(value)
        if isinstance(value, dict):
            pairs = {key: self.filled(inner) for key, inner in value.items()}
            return {key: inner for key, inner in pairs.items() if inner is not _MISSING}
        if isinstance(value, list):
            return [inner for inner in map(self.filled, value) if inner is not _MISSING]
        return value

    def _filled_text(self, text: str) -> Any:
        in_json = text.lstrip()[:1] in ("[", "{")
        for name, value in self.keys.items():
            text = text.replace(f"{{{name}}}", _in(in_json, value))
        if "$cursor" in text:
            if self.cursor is None:
                return _MISSING
            text = text.replace("$cursor", _in(in_json, self.cursor))
        if self.ids is not None:
            text = text.replace("$ids", json.dumps(list(self.ids), separators=(",", ":")))
            text = text.replace("$csv", ",".join(str(each) for each in self.ids))
        return text


def _in(in_json: bool, value: str) -> str:  # noqa: FBT001 - which of two places
    """The value as it stands inside a text of JSON, or as it is."""
    return json.dumps(value)[1:-1] if in_json else value


class Requests:
    """Makes the requests of one list for one set of values."""

    def __init__(self, endpoint: Endpoint, base_url: Callable[[], str], values: Values | None = None) -> None:
        self._endpoint = endpoint
        self._base_url = base_url
        filler = values or Values()
        path = endpoint.path
        for name, value in filler.keys.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        self._path = path
        self._params = filler.filled(dict(endpoint.params))
        self._body = filler.filled(endpoint.body)

    def request(self, ask: Ask, *, accept: frozenset[int] = frozenset()) -> Request:
        """The request of one page."""
        pagination = self._endpoint.pagination
        in_body = getattr(pagination, "params_in", "query") == "body"
        is_later = ask.link is not None or getattr(pagination, "cursor_param", "") in ask.params
        left_out = self._endpoint.first_page_params if is_later else ()
        params = {name: value for name, value in self._params.items() if name not in left_out}
        params = params if in_body else {**params, **ask.params}
        body = _with(self._body, ask.params) if in_body else self._body
        base = self._base_url()
        headers = {"Accept": "application/json", **self._endpoint.headers}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        return Request(
            stream=self._endpoint.stream,
            url=joined(base, self._path) if ask.link is None else resolved(base, ask.link),
            method=self._endpoint.method,
            params=tuple((name, text(value)) for name, value in params.items()),
            headers=headers,
            body=None if body is None else msgspec.json.encode(body),
            accept=self._endpoint.declined | accept,
        )


def text(value: Any) -> str:
    """A value as it stands in a URL."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(body: Any, params: Mapping[str, Any]) -> Any:
    """The body with paging parameters put in; a dotted name is a path."""
    filled = msgspec.json.decode(msgspec.json.encode(body if body is not None else {}))
    for name, value in params.items():
        *path, last = name.split(".")
        node = filled
        for key in path:
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        node[last] = value
    return filled
