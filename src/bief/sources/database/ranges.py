"""The rows of a selection in pieces: one range of keys after the other, or several at once.

Called by `reading`. A piece is small enough for one load; the pieces of one range come in the order of its key.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from bief.errors import SourceError
from bief.sources.database.positions import Span
from bief.sources.database.relations import Selection
from bief.sources.database.session import Session

_POLL_SECONDS: Final = 0.1
_WAITING_PER_RANGE: Final = 1


@dataclass(frozen=True)
class Piece:
    """Rows of one span, by its place among the spans; `rows` None: there are no more in it."""

    span: int
    rows: pa.Table | None


def pieces(session: Session, selection: Selection, spans: Sequence[Span], most_rows: int) -> Generator[Piece]:
    """All that is left of the spans: by one connection if one span is left, else each by its own."""
    left = [place for place, span in enumerate(spans) if not span.done]
    if len(left) > 1:
        yield from _at_once(session, selection, spans, left, most_rows)
        return
    for place in left:
        yield from _of_span(session, replace(selection, range=spans[place].rest), place, most_rows)


def _of_span(session: Session, selection: Selection, place: int, most_rows: int) -> Generator[Piece]:
    for batch in session.batches(selection):
        for rows in _sliced(pa.Table.from_batches([batch]), most_rows):
            yield Piece(place, rows)
    yield Piece(place, None)


def _sliced(rows: pa.Table, most_rows: int) -> Iterator[pa.Table]:
    """The rows in parts of about the same size, none above `most_rows`."""
    parts = math.ceil(rows.num_rows / most_rows)
    for part in range(parts):
        start, end = rows.num_rows * part // parts, rows.num_rows * (part + 1) // parts
        yield rows.slice(start, end - start)


def _at_once(
    session: Session, selection: Selection, spans: Sequence[Span], left: Sequence[int], most_rows: int
) -> Iterator[Piece]:
    """Pieces of several spans as they come, each span read by a thread with a connection to the same snapshot."""
    ready: queue.Queue[Piece | SourceError] = queue.Queue(maxsize=len(left) * _WAITING_PER_RANGE)
    ended = threading.Event()

    def read(place: int, beside: Session) -> None:
        try:
            with closing(_of_span(beside, replace(selection, range=spans[place].rest), place, most_rows)) as found:
                for piece in found:
                    if not _put(ready, piece, ended):
                        return
        except SourceError as error:
            _put(ready, error, ended)

    with ExitStack() as sessions:
        threads = [
            threading.Thread(
                target=read,
                args=(place, sessions.enter_context(closing(session.beside()))),
                name="bief-range",
                daemon=True,
            )
            for place in left
        ]
        for thread in threads:
            thread.start()
        try:
            yield from _taken(ready, len(left))
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def _taken(ready: queue.Queue[Piece | SourceError], open_spans: int) -> Iterator[Piece]:
    while open_spans:
        item = ready.get()
        if isinstance(item, SourceError):
            raise item
        open_spans -= item.rows is None
        yield item


def _put(ready: queue.Queue[Piece | SourceError], item: Piece | SourceError, ended: threading.Event) -> bool:
    while not ended.is_set():
        try:
            ready.put(item, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
