"""How data as it came is kept, and comes again without its source: what a source must do for it.

A source that reads pages or files sends each of them through the `RawDesk` of its `Runtime` and says so by a class
attribute `passes_raw = True`. Of all other sources the batches are kept (`run.raw_sources`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Kept:
    """One piece of data as it came: its bytes, and what else is needed to take it for the original, as JSON."""

    about: Mapping[str, Any]
    body: bytes


class RawTrack(Protocol):
    """The pieces of one stream in one run, while they are kept or come again."""

    def through(self, identity: str, fetch: Callable[[], Kept], *, latest: bool = False) -> Kept:
        """The piece that `identity` names (what was asked for, without host and credentials).

        In a run that keeps raw data: fetched, and kept. In a replay: what was kept, in the order in which it was
        asked for (`latest`: the last of all); nothing is fetched. Raises `RawUnusable`, and what `fetch` raises. Safe
        to call from several threads.
        """
        ...


class RawDesk:
    """Which tracks are open: shared by all sources of a project. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracks: dict[tuple[str, str], RawTrack] = {}

    def track(self, source: str, stream: str) -> RawTrack | None:
        """The track of a stream; None while nothing is kept or replayed of it."""
        with self._lock:
            return self._tracks.get((source, stream))

    @contextmanager
    def opened(self, source: str, stream: str, track: RawTrack) -> Iterator[None]:
        """While the `with` block runs, the pieces of the stream go through this track."""
        with self._lock:
            self._tracks[source, stream] = track
        try:
            yield
        finally:
            with self._lock:
                del self._tracks[source, stream]


def passes_raw(source: object) -> bool:
    """Whether a source sends what it reads through the desk by itself."""
    return bool(getattr(source, "passes_raw", False))
