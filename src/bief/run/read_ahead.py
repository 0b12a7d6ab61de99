"""Reading ahead: while the destination writes a batch, the source already makes the next.

Called by `run.ingest`. The source's iterator runs in a thread of its own; at most `depth` finished batches wait, so
memory does not grow with the stream.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Final, TypeVar

T = TypeVar("T")
_POLL_SECONDS: Final = 0.1


class _End:
    """The last thing in the queue: the iterator ended, by itself or by an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items in the same order, made in another thread.

    An error of the iterator is raised here, after the items that came before it. Closing this generator stops the
    thread at the next item and closes the iterator.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    closed = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, waiting, closed), name="bief-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        thread.join()


def _fill(items: Iterator[T], waiting: queue.Queue[T | _End], closed: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            if not _put(waiting, item, closed):
                break
    except BaseException as raised:  # noqa: BLE001 - it is raised again where the items are taken
        error = raised
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(waiting, _End(error), closed)


def _put(waiting: queue.Queue[T | _End], item: T | _End, closed: threading.Event) -> bool:
    while not closed.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
