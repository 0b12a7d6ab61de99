"""Lists in which each page names the next one: by a cursor, a link header or an address in the body."""

from __future__ import annotations

import re
from typing import Final

from bief.http.page_facts import ABSENT, CHECK, Ask, Loops, Seen, State, has_more_in, named, size_in
from bief.http.paging_options import Cursor, LinkHeader, NextUrl
from bief.http.urls import path_of, resolved, same_origin, without_params

_LINK: Final = re.compile(r"<(?P<url>[^>]*)>(?P<rest>[^<]*)")
_REL: Final = re.compile(r"""\brel\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s;,"]+))""", re.IGNORECASE)


class CursorPages:
    """By a cursor that each page gives for the next one."""

    counts = False
    key = "cursor"

    def __init__(self, options: Cursor) -> None:
        self._options = options
        self.total_items = options.total_items
        self.fields = named(options.next_cursor, options.has_more, options.total_items)
        self._loops = Loops()

    def first(self) -> State:
        return {}

    def ask(self, state: State) -> Ask:
        cursor = {self._options.cursor_param: state["cursor"]} if "cursor" in state else {}
        return Ask({**cursor, **size_in(self._options)})

    def following(self, state: State, seen: Seen) -> State | None:
        self._loops.visit(state.get("cursor"))
        cursor = seen.fields[self._options.next_cursor]
        has_more = self._options.has_more
        if has_more and seen.fields[has_more] is ABSENT and cursor is ABSENT:
            raise seen.misread(f"Neither `{has_more}` nor `{self._options.next_cursor}` is in the answer", CHECK)
        more = None if not has_more or seen.fields[has_more] is ABSENT else has_more_in(has_more, seen)
        if more is False:
            return None
        if cursor is ABSENT or cursor is None or cursor == "":
            if more:
                raise seen.misread(f"`{has_more}` says that more follows, and there is no next cursor", CHECK)
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int):
            raise seen.misread(f"`{self._options.next_cursor}` is neither text nor a whole number", CHECK)
        self._loops.check(cursor, seen)
        return {"cursor": cursor}

    def ahead(self, state: State) -> State | None:
        return None

    def after(self, state: State) -> State:
        return state


class LinkedPages:
    """By link header or by an address in the body. What is remembered is the address from its path on."""

    counts = False
    key = "link"

    def __init__(self, options: LinkHeader | NextUrl, credential_params: tuple[str, ...]) -> None:
        self._options = options
        self._credential_params = credential_params
        self._next_url = options.next_url if isinstance(options, NextUrl) else None
        self.total_items = options.total_items if isinstance(options, NextUrl) else None
        self.fields = named(self._next_url, self.total_items)
        self._loops = Loops()

    def first(self) -> State:
        return {}

    def ask(self, state: State) -> Ask:
        if "link" in state:
            return Ask(link=str(state["link"]))
        return Ask(size_in(self._options))

    def following(self, state: State, seen: Seen) -> State | None:
        self._loops.visit(state.get("link"))
        link = self._link(seen)
        if not link:
            return None
        try:
            target = resolved(seen.url, link)
        except ValueError:
            target = ""
        if not same_origin(seen.url, target):
            shown = without_params(target, self._credential_params)[:200] or "nowhere"
            raise seen.misread(f"The link to the next page leads to another server ({shown})", CHECK)
        path = path_of(without_params(target, self._credential_params))
        self._loops.check(path, seen)
        return {"link": path}

    def ahead(self, state: State) -> State | None:
        return None

    def after(self, state: State) -> State:
        return state

    def _link(self, seen: Seen) -> str | None:
        if isinstance(self._options, LinkHeader):
            return _linked(seen.headers.get("link", ""), self._options.rel)
        link = seen.fields[self._options.next_url]
        if link is ABSENT or link is None:
            return None
        if not isinstance(link, str):
            raise seen.misread(f"`{self._options.next_url}` is not text", CHECK)
        return link


def _linked(header: str, rel: str) -> str | None:
    """The address of a relation in a Link header (RFC 8288)."""
    for match in _LINK.finditer(header):
        found = _REL.search(match["rest"])
        names = (found["quoted"] or found["bare"] or "").lower().split() if found else []
        if rel.lower() in names:
            return match["url"]
    return None
