"""One round of a stream that is asked once for each record of another stream. Called by `source.read`.

Several parents are under way at a time; what they bring is handed on in the order of the parents. Position:
`{"parents": …, "key": …, "page": …}`: the page of parents (absent: the first), the last key that was finished or begun
there, and the page of its own list where it goes on (absent: that key is finished).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from bief.http.page_facts import State
from bief.sources.rest.collecting import Key, Part
from bief.sources.rest.fields import FieldReader, whole_or_text
from bief.sources.rest.prefetching import Workers
from bief.sources.rest.requests import Endpoint, Values, text
from bief.sources.rest.rounds import part_of, steps
from bief.sources.rest.stream_options import ForEach
from bief.sources.rest.surroundings import Surroundings
from bief.sources.rest.walking import Step, Walk

Place = Mapping[str, Any]


@dataclass(frozen=True)
class _Parent:
    """One key, where its record stands, and where the next parent does."""

    key: Key
    place: Place
    page: State | None = None


@dataclass(frozen=True)
class DependentRound:
    """The rounds of one stream: each of them reads everything."""

    around: Surroundings
    parents: Endpoint
    endpoint: Endpoint
    options: ForEach
    may_restart: bool

    def parts(self, since: Place) -> Iterator[Part]:
        """All parts after a place."""
        parents = self._parents(since)
        window: deque[tuple[_Parent, Future[_Begun]]] = deque()
        last: Place = since
        with closing(Workers(self.around.parallel)) as workers:
            while True:
                while len(window) < self.around.parallel and (parent := next(parents, None)) is not None:
                    window.append((parent, workers.submit(_Beginning(self, parent))))
                if not window:
                    break
                parent, begun = window.popleft()
                for step in begun.result().steps():
                    last = _after(parent, step)
                    yield replace(self._part(parent, step, last), complete=False)
        yield Part((), (), "the end", {}, complete=True)

    def _part(self, parent: _Parent, step: Step, after: Place) -> Part:
        part = part_of(step, after)
        return replace(part, label=f"{self.options.alias} {parent.key}, {step.label}", parent=parent.key)

    def _parents(self, since: Place) -> Iterator[_Parent]:
        """The keys of all parents after a place."""
        keys = FieldReader(self.options.key)
        state = since.get("parents")
        resume_at = since.get("key")
        walked = steps(self.around, self.parents, Values(), state, may_restart=self.may_restart)
        for step in walked:
            found = [whole_or_text(key) for (key,) in keys.read(step.page.records)]
            place = {} if state is None else {"parents": state}
            skip = 0
            if resume_at is not None:
                skip, page = self._taken_up(found, resume_at, since.get("page"))
                if page is not None:
                    yield _Parent(resume_at, place, page)
                resume_at = None
            for key in found[skip:]:
                if key is None:
                    name = f"`{self.options.key}` of '{self.options.stream}'"
                    raise step.page.place.misread(f"A record has no {name}.", "Check `for_each.key` of the stream.")
                yield _Parent(key, place)
            state = None if step.following is None else dict(step.following)

    def _taken_up(self, found: list[Key | None], key: Key, page: State | None) -> tuple[int, State | None]:
        """How many parents of a page are done already, and where the last of them goes on."""
        if key in found:
            return found.index(key) + 1, page
        self.around.warn(
            self.endpoint.stream,
            f"{self.options.alias} {key}, where the last run stopped, is not where it was:"
            " the page it was on is read again",
        )
        return 0, None

    def first_step(self, parent: _Parent) -> _Begun:
        """The first page of one parent's list, and the way to the others."""
        values = Values(keys={self.options.alias: text(parent.key)})
        # Parents are under way in parallel already: their own pages are asked for with little haste.
        around = replace(self.around, options=self.around.options.model_copy(update={"parallel_requests": 1}))
        rest = (
            Walk(around, self.endpoint, values).steps()
            if parent.page is None
            else steps(around, self.endpoint, values, parent.page, may_restart=self.may_restart)
        )
        return _Begun(next(rest, None), rest)


@dataclass(frozen=True)
class _Begun:
    first: Step | None
    rest: Iterator[Step]

    def steps(self) -> Iterator[Step]:
        if self.first is not None:
            yield self.first
            yield from self.rest


@dataclass(frozen=True)
class _Beginning:
    round: DependentRound
    parent: _Parent

    def __call__(self) -> _Begun:
        return self.round.first_step(self.parent)


def _after(parent: _Parent, step: Step) -> Place:
    place = {**parent.place, "key": parent.key}
    return place if step.following is None else {**place, "page": dict(step.following)}
