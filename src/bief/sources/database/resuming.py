"""A read that survives the loss of its connection: it goes on in a new snapshot, after the last position it gave.

Called by `source`. Rows that were given without a position can only be taken back by the road: then it is told so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from bief.base.retries import Patience, retried
from bief.batches.batch import Batch, Position
from bief.errors import SourceChanged, SourceUnavailable
from bief.sources.database.reading import Reading


def resumed(reading: Reading, since: Position | None, max_attempts: int) -> Iterator[Batch]:
    """The batches of a round, by as many connections as that takes; `max_attempts` without a batch in between.

    Ends early when the run is told to stop. Raises `SourceError`; `SourceChanged` if rows must be taken back.
    """
    runtime = reading.runtime
    walk = _Walk(reading, since)
    patience = Patience(attempts=max_attempts, cap_seconds=30.0)
    what = f"reading {reading.source}.{reading.stream}"
    try:
        while True:
            found = retried(walk.following, what=what, emit=runtime.emit, stop=runtime.stop, patience=patience)
            if isinstance(found, SourceChanged):
                raise found
            if found is None:
                return
            yield found
            if runtime.stop.is_set() and not found.complete:
                return
    except SourceUnavailable:
        # A query that was broken off because the run is told to stop is no failure of the source.
        if not runtime.stop.is_set():
            raise
    finally:
        walk.end()


class _Walk:
    """Where the read is: the last position given, and whether rows without one followed it."""

    def __init__(self, reading: Reading, since: Position | None) -> None:
        self._reading = reading
        self._position = since
        self._unmarked = False
        self._batches: Generator[Batch] | None = None

    def following(self) -> Batch | SourceChanged | None:
        """The next batch, by a new connection if the last one was lost; None after the last one."""
        if self._batches is None:
            self._batches = self._reading.batches(self._position)
        try:
            batch = next(self._batches, None)
        except (SourceUnavailable, SourceChanged) as error:
            self._batches = None
            if self._unmarked:
                return SourceChanged(error.what, where=error.where, do=error.do)
            raise
        if batch is not None:
            self._unmarked = batch.position is None
            self._position = batch.position or self._position
        return batch

    def end(self) -> None:
        """Break off what is still being read."""
        if self._batches is not None:
            self._batches.close()
