"""The heartbeat of a run: renews its lease from a thread of its own, so that busy work cannot starve it.

Started by `run.runner`. A run whose lease is lost, or cannot be renewed for ten seconds, is told to stop; that is
politeness towards the next run, since the epoch in the destination is what makes two runs safe.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from bief.base.clock import Clock
from bief.errors import BiefError
from bief.state.leases import GIVE_UP_SECONDS, RENEW_SECONDS, Lease, Leases


class Heartbeat:
    """Keeps a lease while the `with` block runs. `lost` says why the lease was lost, or is empty."""

    def __init__(self, leases: Leases, lease: Lease, stop: threading.Event, clock: Clock) -> None:
        self._leases = leases
        self._lease = lease
        self._stop_run = stop
        self._clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="bief-heartbeat", daemon=True)
        self.lost = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        renewed_at = self._clock.monotonic()
        while not self._ended.wait(RENEW_SECONDS):
            try:
                held = self._leases.renew(self._lease)
            except BiefError as error:
                if self._clock.monotonic() - renewed_at < GIVE_UP_SECONDS:
                    continue
                self._give_up(str(error))
                return
            if not held:
                self._give_up("another run has taken the lease.")
                return
            renewed_at = self._clock.monotonic()

    def _give_up(self, reason: str) -> None:
        self.lost = reason
        self._stop_run.set()
