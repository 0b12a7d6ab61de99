"""What every connector is given from outside, so that it needs no globals and tests can replace all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bief.base.clock import Clock, SystemClock
from bief.base.events import Event
from bief.base.secrets import Redactor
from bief.ports.raw import RawDesk


def _unheard(event: Event) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Runtime:
    """The surroundings of a connector: the project folder, a clock, ears for events, and the stop signal.

    `stop` is set when the user (Ctrl-C) or the runner wants the work to end: waits end at once, and a source ends
    its `read` after the batch it is making. `redactor` must learn every secret that comes into being at run time. `raw`
    takes what is kept as it came.
    """

    folder: Path
    emit: Callable[[Event], None] = _unheard
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=SystemClock)
    redactor: Redactor = field(default_factory=Redactor)
    raw: RawDesk = field(default_factory=RawDesk)
