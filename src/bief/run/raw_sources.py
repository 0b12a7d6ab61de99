"""Sources that keep what they read, and sources that are what was kept. Put in a source's place by `bief.assemble`.

A source that passes its pages or files through the `RawDesk` is left to do so; of any other one the batches are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import ClassVar, NoReturn

from pydantic import BaseModel

from bief.base.events import SourceWarned
from bief.batches.batch import Batch, Position
from bief.ports.raw import RawDesk, passes_raw
from bief.ports.runtime import Runtime
from bief.ports.source import Source, Stream
from bief.run.raw_batches import batch_of, kept_batch
from bief.run.raw_zone import KeptStream, RawPlayer, RawWriter, RawZone


class _Behind:
    """A source with another one behind it."""

    Options: ClassVar[type[BaseModel]] = BaseModel
    kind: ClassVar[str] = "raw"

    def __init__(self, name: str, source: Source, runtime: Runtime) -> None:
        self._name = name
        self._source = source
        self._runtime = runtime

    @property
    def _desk(self) -> RawDesk:
        return self._runtime.raw

    def streams(self) -> Sequence[Stream]:
        return self._source.streams()

    def sample(self, stream: str, rows: int) -> Batch:
        return self._source.sample(stream, rows)

    def check(self) -> None:
        self._source.check()

    def close(self) -> None:
        self._source.close()


class KeepingSource(_Behind):
    """Reads as the source behind it, and keeps what comes of some streams in the raw zone, under a run."""

    def __init__(
        self, name: str, source: Source, runtime: Runtime, *, zone: RawZone, run_id: str, streams: frozenset[str]
    ) -> None:
        super().__init__(name, source, runtime)
        self._zone = zone
        self._run_id = run_id
        self._streams = streams

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        if stream not in self._streams:
            yield from self._source.read(stream, since)
            return
        with closing(self._zone.writer(self._run_id, stream, since)) as track:
            for batch in self._passed(stream, since, track):
                if batch.position is not None and batch.complete:
                    track.end(batch.position)
                elif batch.position is not None:
                    track.settle()
                yield batch

    def _passed(self, stream: str, since: Position | None, track: RawWriter) -> Iterator[Batch]:
        if passes_raw(self._source):
            with self._desk.opened(self._name, stream, track):
                yield from self._source.read(stream, since)
            return
        for number, batch in enumerate(self._source.read(stream, since), start=1):
            track.keep(_identity(number), kept_batch(batch))
            yield batch


class ReplayedSource(_Behind):
    """Gives what an earlier run has kept: the source behind it reads it, or the batches come as they were."""

    def __init__(self, name: str, source: Source, runtime: Runtime, *, kept: Mapping[str, KeptStream]) -> None:
        super().__init__(name, source, runtime)
        self._kept = kept

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        """The whole read that was kept, from the position it began at: `since` is where the stream is now."""
        kept = self._kept[stream]
        if blotted := sum(piece.blotted for piece in kept.pieces):
            what = f"{blotted} secrets were blotted out of the raw data, and stand as * in what is loaded"
            self._runtime.emit(SourceWarned(source=self._name, stream=stream, message=what))
        if passes_raw(self._source):
            with self._desk.opened(self._name, stream, RawPlayer(kept, self._runtime.redactor)):
                yield from self._source.read(stream, kept.before)
            return
        player = RawPlayer(kept, self._runtime.redactor)
        for number in range(1, len(kept.pieces) + 1):
            if self._runtime.stop.is_set():
                return
            piece = player.through(_identity(number), _nothing)
            yield batch_of(piece, f"run {kept.run_id}, batch {number}")


def _identity(number: int) -> str:
    return f"batch {number}"


def _nothing() -> NoReturn:
    raise AssertionError("a replay fetches nothing")
