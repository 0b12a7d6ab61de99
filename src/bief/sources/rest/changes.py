"""Rounds of a stream whose API keeps a list of changes. Called by `source.read`.

First round: note the server's time, read everything, remember that time. Later rounds: read the list of changes,
oldest first; fetch the changed records by their ids; carry the deletes. Position: `{"since": …}` between rounds and
inside a round of changes (the text of the last change's time); `{"since": …, "page": …}` inside a full read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from bief.batches.batch import Position
from bief.batches.salvage import BadRecord
from bief.http.limit_headers import server_time
from bief.sources.rest.collecting import Key, Part
from bief.sources.rest.fields import FieldReader, exact_text, whole_or_text
from bief.sources.rest.marks import Moment, comparable
from bief.sources.rest.prefetching import Workers
from bief.sources.rest.requests import Endpoint, Values
from bief.sources.rest.rounds import part_of, steps
from bief.sources.rest.stream_options import ChangeFeed
from bief.sources.rest.surroundings import Surroundings
from bief.sources.rest.walking import Declined, Step, Walk

# A stream without changes must not keep a time that the API forgets one day.
_STALE_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True)
class ChangeRounds:
    """The rounds of one stream."""

    around: Surroundings
    endpoint: Endpoint
    options: ChangeFeed
    may_restart: bool

    def parts(self, since: Position | None) -> Iterator[Part]:
        """The parts of the round that follows a position, or of the rest of the round that was cut off there."""
        value = {} if since is None else since.value
        in_full_read = since is not None and not since.complete and "page" in value
        if not in_full_read and "since" in value:
            try:
                yield from self._changes(str(value["since"]))
            except Declined as declined:
                self.around.warn(
                    self.endpoint.stream,
                    f"the API does not list changes since {value['since']} any more (status {declined.status}):"
                    " everything is read again, and rows deleted meanwhile stay in the table",
                )
            else:
                return
        yield from self._everything(value if in_full_read else {})

    def _everything(self, value: Mapping[str, Any]) -> Iterator[Part]:
        begun: str | None = value.get("since")
        walked = steps(self.around, self.endpoint, Values(), value.get("page"), may_restart=self.may_restart)
        for step in walked:
            if begun is None:
                # The time of the first answer: what changes while the rest is read is listed after it.
                begun = _iso(self._server_time(step) - timedelta(seconds=self.options.margin_seconds))
            after: dict[str, Any] = {"since": begun}
            if step.following is not None:
                after["page"] = dict(step.following)
            yield part_of(step, after)

    def _changes(self, since: str) -> Iterator[Part]:
        changes = FieldReader(self.options.id, self.options.operation, self.options.time)
        walk = Walk(self.around, self._feed(since))
        last = since
        with closing(Workers(self.around.parallel)) as workers:
            for step in walk.steps():
                page = _Changes(step, changes.read(step.page.records), self.options)
                last = page.last_time or last
                complete = step.following is None
                after = {"since": self._fresh(last, step) if complete else last}
                yield self._part(step, page, after, workers)

    def _part(self, step: Step, page: _Changes, after: Mapping[str, Any], workers: Workers) -> Part:
        size = self.options.details.batch
        batches = [tuple(page.changed[at : at + size]) for at in range(0, len(page.changed), size)]
        fetching = [workers.submit(self._fetch(ids)) for ids in batches]
        fetched = [detail.page for future in fetching for detail in future.result()]
        return Part(
            records=[record for each in fetched for record in each.records],
            bad=_renumbered([(each.rows, each.bad) for each in fetched]),
            label=f"changes, {step.label}",
            after=after,
            complete=step.following is None,
            changed=page.changed,
            deleted=page.deleted,
        )

    def _fetch(self, ids: tuple[Key, ...]) -> Callable[[], list[Step]]:
        """The records of some ids, all pages of them."""
        details = self.options.details
        endpoint = replace(
            self.endpoint,
            path=self.endpoint.path if details.path is None else details.path,
            params={**self.endpoint.params, details.param: details.value},
        )
        return lambda: list(Walk(self.around, endpoint, Values(ids=ids)).steps())

    def _feed(self, since: str) -> Endpoint:
        """The list of changes since a time."""
        options, everywhere = self.options, self.around.options
        return replace(
            self.endpoint,
            path=options.path,
            method="GET",
            body=None,
            params={**everywhere.params, **options.params, options.since_param: since},
            records=everywhere.records if options.records is None else options.records,
            pagination=options.pagination or everywhere.pagination,
            declined=frozenset() if options.too_old_status is None else frozenset({options.too_old_status}),
            first_page_params=frozenset() if options.start_with_cursor else frozenset({options.since_param}),
        )

    def _fresh(self, last: str, step: Step) -> str:
        """The time from which the next round asks; moved on if nothing has changed for long."""
        value = comparable(last)
        now = self._server_time(step)
        if isinstance(value, Moment) and now - value.second > _STALE_AFTER:
            return _iso(now - _STALE_AFTER)
        return last

    def _server_time(self, step: Step) -> datetime:
        return server_time(step.page.seen.headers, self.around.runtime.clock.now())


class _Changes:
    """The changes of one page: the last one of each id counts."""

    def __init__(self, step: Step, changes: Sequence[tuple[Any, ...]], options: ChangeFeed) -> None:
        if step.page.bad:
            raise step.page.place.misread(f"A change cannot be read: {step.page.bad[0].reason}.", _CHECK)
        last: dict[Key, bool] = {}
        self.last_time: str | None = None
        for id_, operation, time in changes:
            key, happened = whole_or_text(id_), exact_text(operation)
            self.last_time = exact_text(time)
            if key is None or happened is None or self.last_time is None:
                names = f"`{options.id}`, `{options.operation}` and `{options.time}`"
                raise step.page.place.misread(f"A change lacks one of {names}.", _CHECK)
            last[key] = happened == options.deleted
        self.changed = tuple(key for key, deleted in last.items() if not deleted)
        self.deleted = tuple(key for key, deleted in last.items() if deleted)


_CHECK: Final = "Check `change_feed` of the stream."


def _renumbered(pages: Sequence[tuple[int, Sequence[BadRecord]]]) -> list[BadRecord]:
    """The bad records of several pages, numbered as if the pages were one."""
    found: list[BadRecord] = []
    before = 0
    for rows, bad in pages:
        found += [replace(each, index=each.index + before) for each in bad]
        before += rows
    return found


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
