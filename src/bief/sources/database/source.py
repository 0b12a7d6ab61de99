"""What all kinds of databases have in common as sources. `ports.registry` finds the kinds, which inherit from this."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Generic, TypeVar

from bief.base.names import column_name
from bief.batches.batch import Batch, Position
from bief.batches.masking import Mask
from bief.batches.shaping import Shape
from bief.config.closed import secrets_in
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.sources.database.hiding import pushed
from bief.sources.database.options import DatabaseOptions, DatabaseStream
from bief.sources.database.reading import Reading
from bief.sources.database.resuming import resumed
from bief.sources.database.session import Session

OptionsT = TypeVar("OptionsT", bound=DatabaseOptions)


class DatabaseSource(Generic[OptionsT]):
    """See `ports.source.Source`. A kind adds `Options`, `kind`, and the methods at the end.

    A read that loses its connection goes on by itself in a new snapshot, after the last batch that has a position.
    """

    def __init__(self, name: str, options: OptionsT, runtime: Runtime) -> None:
        for secret in secrets_in(options):
            runtime.redactor.learn(secret)
        self._name = name
        self._options = options
        self._runtime = runtime

    def streams(self) -> Sequence[Stream]:
        """See `ports.source.Source.streams`."""
        return [self._stream(name, stream) for name, stream in self._options.streams.items()]

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        """See `ports.source.Source.read`."""
        return resumed(self._reading(stream), since, self._options.max_attempts)

    def sample(self, stream: str, rows: int) -> Batch:
        """See `ports.source.Source.sample`."""
        return self._reading(stream).sample(rows)

    def check(self) -> None:
        """Reach the database, and see that each stream is there and may be read."""
        with closing(self._connect()) as session:
            for name in self._options.streams:
                self._reading(name).check(session)

    def close(self) -> None:
        """Reads hold their own connections, and close them."""

    def _reading(self, stream: str) -> Reading:
        options = self._options.streams[stream]
        return Reading(self._name, stream, options, self._connect, self._hide, self._runtime)

    def _stream(self, name: str, stream: DatabaseStream) -> Stream:
        shape = stream.shape()
        return Stream(
            name=name,
            primary_key=tuple(_table_name(shape, key) for key in stream.primary_key),
            cursor=None if stream.cursor is None else _table_name(shape, stream.cursor),
            incremental=stream.cursor is not None,
            shape=pushed(shape),
            caveats=(*_cut_off(stream), *self._caveats(stream)),
        )

    @abstractmethod
    def _connect(self) -> Session:
        """A new connection. Raises `SourceError`."""

    @abstractmethod
    def _hide(self, text_sql: str, mask: Mask | None) -> str:
        """See `hiding.Hider`."""

    @abstractmethod
    def _caveats(self, stream: DatabaseStream) -> tuple[str, ...]:
        """What the kind adds to `ports.source.Stream.caveats`."""


def _cut_off(stream: DatabaseStream) -> tuple[str, ...]:
    """With a cursor, what changed meanwhile comes again in the next round; a query is read whole or not at all."""
    if stream.cursor is not None or stream.query is not None:
        return ()
    return ("a read that is cut off goes on in a newer snapshot, and what it had read before stays as it was",)


def _table_name(shape: Shape, column: str) -> str:
    """The name in the table of a column of the database."""
    name = column_name(column)
    rule = shape.columns.get(name)
    return rule.rename if rule is not None and rule.rename else name
