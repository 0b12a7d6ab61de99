"""Turning on SQLite's write-ahead log, in which readers and a writer do not wait for each other.

Called for each new connection by `sql.sqlite.session` and by the control store.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any, Final

_TRY_AGAIN_SECONDS: Final = 0.02


def use_write_ahead_log(connection: Any, timeout_seconds: float) -> None:
    """Switch the file to WAL mode, if it is not in it. Raises sqlite3.OperationalError after `timeout_seconds`.

    The switch needs the file for itself. When two connections try it on a new file at the same moment SQLite does not
    wait, as it does for other locks, but tells one of them at once that the file is locked.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_TRY_AGAIN_SECONDS)
        else:
            return
