"""The answers of the simulator: from a request to a status, headers and a body; knows nothing of sockets."""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import collections
import json
import math
import operator
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator_world import Stream, World

FILTERABLE = {"id", "date", "amount", "currency", "paid", "email", "label", "number"}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "in": lambda value, listed: value in listed,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
}
CHANGELOG_KEPT = timedelta(weeks=4)
LOGIN_PAGE = b"<!doctype html><title>Log in</title><form>Please log in.</form>"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `cut`: announce more bytes than are sent; `drop`: hang up without a word."""

    status: int
    body: bytes
    type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    drop: bool = False


class Refusal(Exception):
    """A request that the API refuses, with the status it gives."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, json.dumps({"status": status, "error": message}).encode())


class Window:
    """At most so many requests in so many seconds, per token; 0 requests means no limit."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self._lock = threading.Lock()
        self._times: dict[str, collections.deque[float]] = collections.defaultdict(collections.deque)

    def take(self, token: str) -> tuple[float, dict[str, str]]:
        """Seconds to wait (0: go on), and the headers that say how much is left."""
        if not self.requests:
            return 0.0, {}
        with self._lock:
            now, times = time.monotonic(), self._times[token]
            while times and times[0] <= now - self.seconds:
                times.popleft()
            wait = times[0] + self.seconds - now if len(times) >= self.requests else 0.0
            if not wait:
                times.append(now)
            reset = math.ceil(time.time() + (times[0] + self.seconds - now))
            left = self.requests - len(times)
        names = "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"
        return wait, dict(zip(names, map(str, (self.requests, left, reset)), strict=True))


class Api:
    """From a request to an answer; knows nothing of sockets."""

    def __init__(self, world: World, options: argparse.Namespace) -> None:
        self.world = world
        self.window = Window(options.requests, options.per_seconds)
        self.tokens = {"demo", os.environ.get("PENNYLANE_API_KEY") or "demo"}
        self.ahead = timedelta(days=options.ahead_days)
        self.latency_seconds = options.latency_ms / 1000
        self._failing = {stream: (kind, times) for stream, kind, times in options.fail}
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def answer(self, method: str, target: str, headers: dict[str, str]) -> Answer:
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self.tokens:
            hint = "this is the simulator, whose token is 'demo'"
            return Refusal(401, f"The access token is missing or wrong ({hint}).").answer
        wait, limits = self.window.take(token)
        if wait:
            retry = {"Retry-After": str(math.ceil(wait)), **limits}
            return Answer(429, b"Rate limit exceeded. Retry later.\n", "text/plain", retry)
        try:
            answer = self._route(method, url.path.strip("/").split("/"), query)
        except Refusal as refusal:
            answer = refusal.answer
        return Answer(answer.status, answer.body, answer.type, {**limits, **answer.headers}, answer.cut, answer.drop)

    def _route(self, method: str, path: list[str], query: dict[str, str]) -> Answer:
        if method != "GET":
            raise Refusal(405, f"{method} is not served here.")
        numbered, changes = path[0] == "v1", path[0] == "changelogs"
        names = path[1:] if numbered or changes else path
        stream = self.world.streams.get(names[0] if names else "")
        if stream is None:
            raise Refusal(404, f"There is nothing at /{'/'.join(path)}.")
        failure = self._failure(stream.name)
        if failure is not None:
            return failure
        if len(names) > 1:
            return self._one(stream, names[1])
        if changes:
            return self._changelog(stream, query)
        return self._numbered_page(stream, query) if numbered else self._page(stream, query)

    def _failure(self, stream: str) -> Answer | None:
        with self._lock:
            kind, times = self._failing.get(stream, ("", 0))
            if times == 0:
                return None
            self._failing[stream] = (kind, times - 1)
        match kind:
            case "html":
                return Answer(200, LOGIN_PAGE, "text/html; charset=utf-8")
            case "error":
                return Answer(200, b'{"error": "something went wrong"}')
            case "cut":
                return Answer(200, b'{"items":[{"id":1', cut=True)
            case "drop":
                return Answer(200, b"", drop=True)
            case _:
                return Refusal(int(kind), f"{stream} is told to fail.").answer

    def _one(self, stream: Stream, number: str) -> Answer:
        if not number.isdecimal() or int(number) not in stream.day_of:
            raise Refusal(404, f"There is no record {number} in {stream.name}.")
        return Answer(200, stream.rendered(int(number)))

    def _page(self, stream: Stream, query: dict[str, str]) -> Answer:
        size = whole(query, "limit", 20, 100)
        order = query.get("sort", "-id")
        if order not in {"id", "-id"}:
            raise Refusal(400, f"sort: '{order}' is not 'id' or '-id'.")
        keep = filters(query.get("filter"))
        ids = matching(stream, keep)
        if "cursor" in query:
            last = number_in(query["cursor"], stream.name)
            ids = ids[bisect.bisect_right(ids, last) :] if order == "id" else ids[: bisect.bisect_left(ids, last)]
        page = ids[:size] if order == "id" else ids[-size:][::-1]
        more = len(ids) > len(page)
        following = json.dumps(cursor_for(stream.name, page[-1])) if more else "null"
        items = b",".join(map(stream.rendered, page))
        tail = f'],"has_more":{json.dumps(more)},"next_cursor":{following}}}'
        return Answer(200, b'{"items":[' + items + tail.encode())

    def _numbered_page(self, stream: Stream, query: dict[str, str]) -> Answer:
        size, number = whole(query, "per_page", 20, 100), whole(query, "page", 1, 10**9)
        items = b",".join(map(stream.rendered, stream.ids[(number - 1) * size : number * size]))
        pages, count = max(1, math.ceil(len(stream.ids) / size)), len(stream.ids)
        tail = f'],"current_page":{number},"total_pages":{pages},"total_count":{count}}}'
        return Answer(200, b'{"' + stream.name.encode() + b'":[' + items + tail.encode())

    def _changelog(self, stream: Stream, query: dict[str, str]) -> Answer:
        size = whole(query, "limit", 20, 1000)
        oldest = self.now() - CHANGELOG_KEPT
        if "cursor" in query and "start_date" in query:
            raise Refusal(400, "start_date and cursor exclude each other.")
        since = moment(query["start_date"]) if "start_date" in query else oldest
        if since < oldest:
            raise Refusal(422, "start_date is more than four weeks ago; the changelog does not reach back so far.")
        start = bisect.bisect_left(stream.changes, since, key=lambda change: change.processed_at)
        if "cursor" in query:
            start = number_in(query["cursor"], f"changelogs/{stream.name}")
        changes = stream.changes[start : start + size]
        more = start + size < len(stream.changes)
        items = [{"id": c.id, "operation": c.operation, "processed_at": stamp(c.processed_at)} for c in changes]
        following = cursor_for(f"changelogs/{stream.name}", start + size) if more else None
        return Answer(200, json.dumps({"items": items, "has_more": more, "next_cursor": following}).encode())


def whole(query: dict[str, str], name: str, default: int, largest: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        raise Refusal(400, f"{name}: '{text}' is not a whole number from 1 to {largest}.")
    return int(text)


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, f"start_date: '{text}' is not a time in ISO 8601.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cursor_for(place: str, number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([place, number]).encode()).decode().rstrip("=")


def number_in(cursor: str, place: str) -> int:
    try:
        made_for, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        made_for, number = None, 0
    if made_for != place or not isinstance(number, int):
        raise Refusal(400, "cursor: this is not a cursor of this list.")
    return number


def filters(text: str | None) -> list[tuple[str, str, Any]]:
    try:
        listed = json.loads(text) if text else []
        found = [(each["field"], each["operator"], each["value"]) for each in listed]
    except (ValueError, TypeError, KeyError):
        listed, found = None, []
    if not isinstance(listed, list):
        raise Refusal(400, "filter: not a JSON list of objects with field, operator and value.")
    for name, word, value in found:
        if name not in FILTERABLE or word not in COMPARE or (word == "in") != isinstance(value, list):
            raise Refusal(400, f"filter: '{name} {word}' is not possible here.")
    return found


def matching(stream: Stream, keep: list[tuple[str, str, Any]]) -> list[int]:
    """The ids of the records that pass all filters, smallest first."""
    ids = stream.ids
    for name, word, value in keep:
        if name == "id" and word == "in":
            wanted = {each for each in value if isinstance(each, int)}
            ids = sorted(wanted.intersection(stream.day_of).intersection(ids))
        else:
            ids = [each for each in ids if passes(stream, each, name, word, value)]
    return ids


def passes(stream: Stream, number: int, name: str, word: str, value: Any) -> bool:
    found = number if name == "id" else stream.record(number).get(name)
    try:
        if name == "amount" and word != "in" and found is not None:
            found, value = Decimal(found), Decimal(value)
        return found is not None and COMPARE[word](found, value)
    except (TypeError, InvalidOperation):
        raise Refusal(400, f"filter: {value!r} cannot be compared with {name}.") from None
