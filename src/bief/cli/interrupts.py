"""Ctrl-C and SIGTERM while a run is working: once stops it after the current batch, twice at once.

Called by `commands.run`. Ending at once is safe: what is not committed was never visible.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from bief.cli.failures import CANCELLED

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at the first signal and end the process at the second."""
    asked = False

    def heard(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            # The live display hides the cursor, and nobody will be left to bring it back.
            os.write(2, (_SHOW_CURSOR if sys.stdout.isatty() else b"") + b"stopped.\n")
            os._exit(CANCELLED)
        asked = True
        os.write(2, b"stopping after the current batch; press Ctrl-C again to stop at once\n")
        # Not from here: this code may have interrupted the very wait that holds the event's lock.
        threading.Thread(target=stop.set, daemon=True).start()

    before: dict[signal.Signals, Any] = {each: signal.signal(each, heard) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
