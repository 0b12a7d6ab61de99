"""One round of a stream that is read in full, and what all rounds share. Called by `source.read`.

A round is a sequence of parts, each with the position after it; a round that was cut off is taken up at a position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bief.errors import SourceRefused
from bief.http.page_facts import State
from bief.sources.rest.collecting import Part
from bief.sources.rest.requests import Endpoint, Values
from bief.sources.rest.surroundings import Surroundings
from bief.sources.rest.walking import Step, Walk

Value = Mapping[str, Any]


def full(around: Surroundings, endpoint: Endpoint, since: Value, *, may_restart: bool) -> Iterator[Part]:
    """All pages of a list, or the rest of them."""
    for step in steps(around, endpoint, Values(), since.get("page"), may_restart=may_restart):
        yield part_of(step, {} if step.following is None else {"page": dict(step.following)})


def steps(
    around: Surroundings,
    endpoint: Endpoint,
    values: Values,
    state: State | None,
    *,
    may_restart: bool,
    restart_values: Callable[[], Values] | None = None,
) -> Iterator[Step]:
    """The steps of a walk from a remembered place on.

    Places are forgotten by servers: then the list is read again from its beginning if `may_restart`, which is for
    tables in which a row that comes twice stands once.
    """
    again = restart_values or (lambda: values)
    walk = Walk(around, endpoint, values)
    if state is None:
        yield from walk.steps()
        return
    if not walk.knows(state):
        around.warn(endpoint.stream, "`pagination` has changed since the last run: the list is read from its beginning")
        yield from Walk(around, endpoint, again()).steps()
        return
    rest = walk.steps(state)
    try:
        first = next(rest)
    except SourceRefused as error:
        if not may_restart:
            raise
        reason = str(error)
    else:
        yield first
        yield from rest
        return
    around.warn(endpoint.stream, f"the last run cannot be taken up, so the list is read from its beginning: {reason}")
    yield from Walk(around, endpoint, again()).steps()


def part_of(step: Step, after: Value) -> Part:
    """The part that one page makes."""
    return Part(step.page.records, step.page.bad, step.label, after, complete=step.following is None)
