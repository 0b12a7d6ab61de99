"""Lists whose pages can be asked for by number or by offset, so also several at a time."""

from __future__ import annotations

from typing import Final

from bief.http.page_facts import CHECK, Ask, Seen, State, count_in, has_more_in, named, size_in
from bief.http.paging_options import Offset, PageNumber

_SHORT: Final = "The list ended after {read} records, and the answer says that it has {total}"
_SHORT_ADVICE: Final = "Some servers stop after so many records: narrow the list by `params`, or page by cursor."


class OnePage:
    """The whole list at once."""

    fields: tuple[str, ...] = ()
    total_items: str | None = None
    counts = False
    key = ""

    def first(self) -> State:
        return {}

    def ask(self, state: State) -> Ask:
        return Ask()

    def following(self, state: State, seen: Seen) -> State | None:
        return None

    def ahead(self, state: State) -> State | None:
        return None

    def after(self, state: State) -> State:
        return state


class NumberedPages:
    """By the number of the page. Where the list ends is said by a flag, a total, or an empty page."""

    counts = True
    key = "page"

    def __init__(self, options: PageNumber) -> None:
        self._options = options
        self.total_items = options.total_items
        self.fields = named(options.has_more, options.total_pages, options.total_items)
        self._rows = 0
        # Whoever goes on inside a list has not counted its beginning and cannot compare with the total.
        self._from_start = False
        self._last: int | None = None
        self._total: int | None = None

    def first(self) -> State:
        return {"page": self._options.first}

    def ask(self, state: State) -> Ask:
        return Ask({self._options.page_param: int(state["page"]), **size_in(self._options)})

    def following(self, state: State, seen: Seen) -> State | None:
        page = int(state["page"])
        self._from_start = self._from_start or page == self._options.first
        self._rows += seen.rows
        more = has_more_in(self._options.has_more, seen)
        pages = count_in(self._options.total_pages, seen)
        if pages is not None:
            self._last = self._options.first + pages - 1
        if more is False or (self._last is not None and page >= self._last) or self._has_all(seen):
            return None
        if seen.rows == 0 and not more and self._last is None:
            return None
        return {"page": page + 1}

    def ahead(self, state: State) -> State | None:
        page = int(state["page"])
        # A few pages asked for beyond the end cost requests but do no harm: they come back empty, or as 404.
        if self._last is not None and page >= self._last:
            return None
        return self.after(state)

    def after(self, state: State) -> State:
        return {"page": int(state["page"]) + 1}

    def _has_all(self, seen: Seen) -> bool:
        """Whether as many records have come as there are. Raises SourceMisread when the rest does not come."""
        total = count_in(self._options.total_items, seen)
        self._total = self._total if total is None else total
        if self._total is None or not self._from_start:
            return False
        if seen.rows == 0 and self._rows < self._total:
            raise seen.misread(_SHORT.format(read=self._rows, total=self._total), _SHORT_ADVICE)
        return self._rows >= self._total


class OffsetPages:
    """By the number of records to leave out. Counts what has come, not what was asked: a server may give less."""

    counts = True
    key = "offset"

    def __init__(self, options: Offset) -> None:
        self._options = options
        self.total_items = options.total_items
        self.fields = named(options.has_more, options.total_items)
        self._step = 0
        self._total: int | None = None

    def first(self) -> State:
        return {"offset": 0}

    def ask(self, state: State) -> Ask:
        return Ask({self._options.offset_param: int(state["offset"]), **size_in(self._options)})

    def following(self, state: State, seen: Seen) -> State | None:
        self._step = seen.rows or self._step
        after = int(state["offset"]) + seen.rows
        more = has_more_in(self._options.has_more, seen)
        total = count_in(self._options.total_items, seen)
        self._total = self._total if total is None else total
        if more is False or (self._total is not None and after >= self._total):
            return None
        if seen.rows:
            return {"offset": after}
        if self._total is not None:
            raise seen.misread(_SHORT.format(read=after, total=self._total), _SHORT_ADVICE)
        if more:
            raise seen.misread("The page is empty, and the answer says that more follows", CHECK)
        return None

    def ahead(self, state: State) -> State | None:
        after = int(state["offset"]) + self._step
        if not self._step or (self._total is not None and after >= self._total):
            return None
        return {"offset": after}

    def after(self, state: State) -> State:
        return {"offset": int(state["offset"]) + (self._step or 1)}
