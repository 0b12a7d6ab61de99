"""A web API that answers in JSON, as a source. Found by `ports.registry`, read by `bief.run`.

The road of a read:

    a round (`rounds`, `incremental`, `changes`, `dependents`) → `walking` (pages in order) → `pages` → `http.client`
        → parts → `prefetching` (a thread of its own) → `collecting` (batches of Arrow rows)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar, Final

from bief.base.names import column_name
from bief.base.secrets import Secret
from bief.batches.batch import Batch, Position
from bief.batches.rows import RecordReader
from bief.config.closed import secrets_in
from bief.errors import SourceUnavailable
from bief.http.client import HttpClient, HttpOptions
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.sources.rest.caveats import caveats_of
from bief.sources.rest.changes import ChangeRounds
from bief.sources.rest.collecting import Collector, Part, batched
from bief.sources.rest.dependents import DependentRound
from bief.sources.rest.incremental import incremental
from bief.sources.rest.options import RestOptions
from bief.sources.rest.prefetching import Prefetched
from bief.sources.rest.requests import Endpoint, endpoint_of
from bief.sources.rest.rounds import full, part_of
from bief.sources.rest.simulator import Simulator
from bief.sources.rest.stream_options import RestStream
from bief.sources.rest.surroundings import Surroundings
from bief.sources.rest.walking import Walk

# Pages that wait for the consumer: enough to hide one slow load, little enough for memory.
_PAGES_WAITING: Final = 8
# Credentials belong into `auth`; whoever writes them into `headers` all the same shall not find them in a log.
_SECRET_HEADER: Final = re.compile("auth|cookie|key|token|secret|password", re.IGNORECASE)


class RestSource:
    """One API. Its methods may be called from several threads, one stream each."""

    Options: ClassVar[type[RestOptions]] = RestOptions
    kind: ClassVar[str] = "rest"
    passes_raw: ClassVar[bool] = True

    def __init__(self, name: str, options: RestOptions, runtime: Runtime) -> None:
        hidden = [value for header, value in options.headers.items() if _SECRET_HEADER.search(header)]
        for secret in [*secrets_in(options), *map(Secret, hidden)]:
            runtime.redactor.learn(secret)
        simulated = not options.base_url and options.simulator
        self._simulator = Simulator(name, str(options.simulator), runtime.folder) if simulated else None
        http = HttpOptions(
            auth=options.auth,
            rate_limit=options.rate_limit,
            limits=options.limits,
            max_attempts=options.max_attempts,
            connections=4 * options.parallel_requests,
        )
        client = HttpClient(name, http, runtime)
        self._options = options
        self._runtime = runtime
        self._around = Surroundings(name, options, client, self._base_url, runtime)

    def streams(self) -> Sequence[Stream]:
        return [self._stream(name, stream) for name, stream in self._options.streams.items()]

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        declared = self._options.streams[stream]
        with Prefetched(
            lambda: self._parts(stream, declared, since), self._runtime.stop, depth=_PAGES_WAITING
        ) as parts:
            try:
                yield from batched(parts, self._collector(stream, declared), declared.batch_rows)
            except SourceUnavailable:
                # A request that was broken off because the run is told to stop is no failure of the source.
                if not self._runtime.stop.is_set():
                    raise

    def sample(self, stream: str, rows: int) -> Batch:
        declared = self._options.streams[stream]
        collector = self._collector(stream, declared)
        for part in self._sampled(stream, declared, rows):
            collector.add(replace(part, records=part.records[: rows - collector.rows]))
            if collector.rows >= rows:
                break
        return collector.taken(complete=False)

    def check(self) -> None:
        independent = (name for name, stream in self._options.streams.items() if stream.for_each is None)
        name = next(independent)
        endpoint = _sized(endpoint_of(self._options, name, self._options.streams[name]), 1)
        Walk(self._around, endpoint).first_page()

    def close(self) -> None:
        self._around.client.close()
        if self._simulator is not None:
            self._simulator.close()

    def _base_url(self) -> str:
        return self._simulator.url() if self._simulator is not None else self._options.base_url

    def _parts(self, name: str, stream: RestStream, since: Position | None) -> Iterator[Part]:
        endpoint = endpoint_of(self._options, name, stream)
        may_restart = bool(stream.primary_key)
        value = {} if since is None or since.complete else since.value
        if stream.incremental is not None:
            return incremental(self._around, endpoint, stream.incremental, since, may_restart=may_restart)
        if stream.change_feed is not None:
            return ChangeRounds(self._around, endpoint, stream.change_feed, may_restart).parts(since)
        if stream.for_each is not None:
            parent = stream.for_each.stream
            parents = replace(endpoint_of(self._options, parent, self._options.streams[parent]), stream=name)
            return DependentRound(self._around, parents, endpoint, stream.for_each, may_restart).parts(value)
        return full(self._around, endpoint, value, may_restart=may_restart)

    def _sampled(self, name: str, stream: RestStream, rows: int) -> Iterator[Part]:
        """Few parts of a full read: one page where the stream is a list of its own."""
        if stream.for_each is not None:
            return islice(self._parts(name, stream, None), rows)
        step = Walk(self._around, _sized(endpoint_of(self._options, name, stream), rows)).first_page()
        return iter([part_of(step, {})])

    def _collector(self, name: str, stream: RestStream) -> Collector:
        types = stream.shape().reader_types()
        key = _table_name(stream, stream.primary_key[0]) if stream.primary_key else None
        parent = stream.for_each.alias if stream.for_each else None
        return Collector(RecordReader(types), self._runtime.clock, key_column=key, parent_column=parent)

    def _stream(self, name: str, stream: RestStream) -> Stream:
        cursor = stream.incremental.cursor if stream.incremental else None
        return Stream(
            name=name,
            primary_key=tuple(_table_name(stream, key) for key in stream.primary_key),
            cursor=None if cursor is None else _table_name(stream, cursor),
            incremental=stream.incremental is not None or stream.change_feed is not None,
            deletes=stream.change_feed is not None,
            shape=stream.shape(),
            caveats=caveats_of(self._options, stream),
        )


def _table_name(stream: RestStream, field: str) -> str:
    """The column of a field, after renaming."""
    column = column_name("__".join(field.split(".")))
    rule = stream.columns.get(column)
    return rule.rename if rule is not None and rule.rename else column


def _sized(endpoint: Endpoint, rows: int) -> Endpoint:
    """The same list with pages of few records, if the size can be asked for."""
    size = getattr(endpoint.pagination, "size", None)
    if not size:
        return endpoint
    return replace(endpoint, pagination=endpoint.pagination.model_copy(update={"size": min(size, rows)}))
