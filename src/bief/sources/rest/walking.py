"""Through all pages of a list, in order. Called by the rounds (`full`, `incremental`, `changes`, `dependents`).

Pages that can be asked for by number are asked for ahead, several at a time, and handed on in order. All others are
asked for one after the other, each as soon as the one before it has said where it is.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from bief.base.events import StreamSized
from bief.http.page_facts import State, count_in
from bief.http.paging import Pager, pager_for
from bief.http.statuses import advice, named
from bief.sources.rest.pages import NOT_FOUND, Page, PageReader
from bief.sources.rest.prefetching import Workers
from bief.sources.rest.requests import Endpoint, Requests, Values
from bief.sources.rest.surroundings import Surroundings

_MOST_EMPTY_PAGES: Final = 20


@dataclass(frozen=True)
class Step:
    """One page, where it stands, and where the next one begins (None: the list ends with this page)."""

    page: Page
    label: str
    following: State | None


class Declined(Exception):
    """The API answered with a status by which it says that it cannot answer this question."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class Walk:
    """One way through one list."""

    def __init__(self, around: Surroundings, endpoint: Endpoint, values: Values | None = None) -> None:
        self._around = around
        self._endpoint = endpoint
        self._pager: Pager = pager_for(endpoint.pagination, around.client.credential_params)
        requests = Requests(endpoint, around.base_url, values)
        self._reader = PageReader(around.client, endpoint, requests, self._pager.fields, around.runtime)
        self._size = getattr(endpoint.pagination, "size", None) or 0
        self._bodies: set[int] = set()
        self._empty = 0
        self._count = 0
        self._first_rows = 0
        self._sized = False

    def knows(self, state: State) -> bool:
        """Whether a remembered place belongs to this way of paging (the project file may have changed since)."""
        return set(state) in (set(self._pager.first()), {self._pager.key})

    def steps(self, since: State | None = None) -> Iterator[Step]:
        """All pages from a place on. Raises SourceError."""
        first = self._pager.first() if since is None else since
        workers = Workers(self._around.parallel)
        with contextlib.closing(workers):
            yield from self._walked(first, workers, from_start=since is None)

    def first_page(self) -> Step:
        """The first page alone."""
        state = self._pager.first()
        return self._step(state, self._page(state, may_miss=False))

    def _walked(self, first: State, workers: Workers, *, from_start: bool) -> Iterator[Step]:
        window: deque[tuple[State, Future[Page]]] = deque()
        state: State | None = first
        while state is not None:
            if window:
                page = window.popleft()[1].result()
            else:
                page = self._page(state, may_miss=not (from_start and state == first))
            step = self._step(state, page)
            if page.status == NOT_FOUND:
                self._confirm_end(state, step)
            if step.following is not None and self._pager.counts:
                self._ask_ahead(step, window, workers)
            state = step.following
            yield step
        _forget(window)

    def _ask_ahead(self, step: Step, window: deque[tuple[State, Future[Page]]], workers: Workers) -> None:
        """Ask for what follows a page, and for more pages after that if the list seems to go on."""
        if window and window[0][0] != step.following:
            # What was asked ahead begins at the wrong place: this page held more or less than others before it.
            _forget(window)
        planned = self._pager.ahead(window[-1][0]) if window else step.following
        seems_last = step.page.rows < (self._size if self._count == 1 else self._first_rows)
        most = 1 if seems_last else self._around.parallel
        while planned is not None and len(window) < most:
            window.append((planned, workers.submit(_fetch(self, planned))))
            planned = self._pager.ahead(planned)

    def _page(self, state: State, *, may_miss: bool) -> Page:
        # Only numbered pages can lie beyond the end; anywhere else 404 is what it says.
        accept = frozenset({NOT_FOUND}) if may_miss and self._pager.counts else frozenset()
        return self._reader.page(self._pager.ask(state), accept=accept)

    def _step(self, state: State, page: Page) -> Step:
        if page.status in self._endpoint.declined:
            raise Declined(page.status)
        following = self._pager.following(state, page.seen)
        if page.status == NOT_FOUND and following is not None:
            raise page.place.refused(f"The server answered {named(NOT_FOUND)} inside the list.", advice(NOT_FOUND))
        self._refuse_circles(page)
        self._empty = 0 if page.rows else self._empty + 1
        if self._empty > _MOST_EMPTY_PAGES:
            raise page.place.misread(f"{self._empty} pages in a row were empty.", "Check `pagination` of the stream.")
        self._announce_size(page)
        self._count += 1
        self._first_rows = self._first_rows or page.rows
        return Step(page, _label(state, self._count), following)

    def _confirm_end(self, state: State, step: Step) -> None:
        """A 404 ends a list of numbered pages only if nothing comes after it."""
        after = self._pager.after(state)
        beyond = self._page(after, may_miss=True)
        if beyond.rows:
            raise step.page.place.misread(
                f"{_label(state, 0)} answered {named(NOT_FOUND)}, but {_label(after, 0)} has records.",
                "Run again; if it stays, tell the operator of the API.",
            )

    def _refuse_circles(self, page: Page) -> None:
        """A server that does not know the paging parameter gives the same page again and again."""
        if not self._pager.counts or not page.rows:
            return
        content = hash(b"\n".join([*map(bytes, page.records), *(bad.text for bad in page.bad)]))
        if content in self._bodies:
            raise page.place.misread(
                "There is a pagination loop: the same page came again.",
                "Check `pagination` of the stream: the server may not know its parameters.",
            )
        self._bodies.add(content)

    def _announce_size(self, page: Page) -> None:
        total = count_in(self._pager.total_items, page.seen)
        if total is not None and not self._sized:
            self._sized = True
            self._around.runtime.emit(StreamSized(stream=self._endpoint.stream, rows=total))


def _fetch(walk: Walk, state: State) -> Callable[[], Page]:
    return lambda: walk._page(state, may_miss=True)  # noqa: SLF001 - a part of the class, outside for its short life


def _forget(window: deque[tuple[State, Future[Page]]]) -> None:
    for _, future in window:
        future.cancel()
    window.clear()


def _label(state: State, count: int) -> str:
    if "page" in state:
        return f"page {state['page']}"
    return f"offset {state['offset']}" if "offset" in state else f"page {count}"
