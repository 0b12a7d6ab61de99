"""Threads between the network and the consumer of a read: the next answers are fetched while rows are being loaded.

Used by `walking` (pages asked ahead) and `source` (the whole walk). All threads are daemons: none of them can keep the
process alive, and each request has its own deadline.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
_LOOK_EVERY_SECONDS: Final = 0.1
_END: Final = object()


class Ended(Exception):
    """There is nothing more to come."""


class Prefetched(Generic[Item]):
    """Runs an iterator in a thread of its own, at most `depth` items ahead of the consumer."""

    def __init__(self, items: Callable[[], Iterator[Item]], stop: threading.Event, *, depth: int) -> None:
        self._items = items
        self._stop = stop
        self._left = threading.Event()
        self._queue: queue.Queue[object] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._run, name="bief-rest-reader", daemon=True)

    def __enter__(self) -> Prefetched[Item]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def next(self, timeout_seconds: float) -> Item | None:
        """The next item; None when none came in time. Raises `Ended` at the end, or what the iterator raised.

        Ends early when the run is told to stop.
        """
        waited = 0.0
        while not self._stop.is_set():
            step = min(_LOOK_EVERY_SECONDS, timeout_seconds - waited)
            if step <= 0:
                return None
            waited += step
            with contextlib.suppress(queue.Empty):
                return self._given(self._queue.get(timeout=step))
        raise Ended

    def _given(self, item: object) -> Item:
        if item is _END:
            raise Ended
        if isinstance(item, BaseException):
            raise item
        return item  # type: ignore[return-value]

    def _run(self) -> None:
        items = self._items()
        last: object = _END
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread of the consumer
            last = error
        finally:
            with contextlib.suppress(Exception):
                items.close()  # type: ignore[attr-defined]
        self._put(last)

    def _put(self, item: object) -> bool:
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_LOOK_EVERY_SECONDS)
                return True
        return False


class Workers:
    """A fixed number of threads that run what they are given, in the order it was given."""

    def __init__(self, count: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = count
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], Item]) -> Future[Item]:
        """Run `work` as soon as a thread is free."""
        future: Future[Item] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)

        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._run, name="bief-rest-pages", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._work.put(run)
        return future

    def close(self) -> None:
        """Let the threads end after what they are doing now."""
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
