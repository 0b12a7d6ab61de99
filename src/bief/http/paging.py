"""From one page to the next. A pager is pure: it says what to ask for and, from what a page shows, what comes next.

`sources.rest.walking` sends the requests. The place in the list (`State`) is a small JSON object without secrets, so
that a read can be taken up there by another process.
"""

from __future__ import annotations

from typing import Protocol

from bief.http.counted_pages import NumberedPages, OffsetPages, OnePage
from bief.http.linked_pages import CursorPages, LinkedPages
from bief.http.page_facts import ABSENT, Ask, Seen, State
from bief.http.paging_options import Cursor, LinkHeader, NextUrl, Offset, PageNumber, Pagination, SinglePage

__all__ = ["ABSENT", "Ask", "Pager", "Seen", "State", "pager_for"]


class Pager(Protocol):
    """One way of paging. Owned by one thread."""

    fields: tuple[str, ...]
    """Paths of the fields of the body that it wants to see."""
    total_items: str | None
    """The one of them that holds the number of records in all, if any."""

    @property
    def counts(self) -> bool:
        """Whether pages are counted, so that any of them can be asked for, also one beyond the end."""
        ...

    @property
    def key(self) -> str:
        """The one key of a `State` other than the first."""
        ...

    def first(self) -> State:
        """Where the list begins."""
        ...

    def ask(self, state: State) -> Ask:
        """What to ask for."""
        ...

    def following(self, state: State, seen: Seen) -> State | None:
        """Where the next page begins; None at the end of the list."""
        ...

    def ahead(self, state: State) -> State | None:
        """The place after `state`, if it is known without having read that page and lies inside the list."""
        ...

    def after(self, state: State) -> State:
        """The place after `state` in a list whose pages are counted."""
        ...


def pager_for(options: Pagination, credential_params: tuple[str, ...]) -> Pager:
    """A new pager, for one read of one list."""
    match options:
        case SinglePage():
            return OnePage()
        case PageNumber():
            return NumberedPages(options)
        case Offset():
            return OffsetPages(options)
        case Cursor():
            return CursorPages(options)
        case LinkHeader() | NextUrl():
            return LinkedPages(options, credential_params)
