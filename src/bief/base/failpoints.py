"""Named places where a test can make the process die or an error rise: the proof of exactly-once needs them.

`BIEF_FAILPOINTS=load.after_claim=kill` kills the process with SIGKILL the first time the place is reached,
`load.after_claim=kill:3` the third time, `…=raise` raises `Injected` instead. Several are joined by commas.
Unset, a failpoint costs one look at an empty dictionary.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import Final, Literal, cast

# The closed list; the tests kill the process at each of them, on every destination.
POINTS: Final = (
    "prepare.before_commit",
    "prepare.after_commit",
    "take_over.after_begin",
    "take_over.before_commit",
    "take_over.after_commit",
    "load.after_begin",
    "load.after_claim",
    "load.after_state",
    "load.after_ddl",
    "load.after_rows",
    "load.after_deletes",
    "load.after_rejects",
    "load.after_release",
    "load.after_publish",
    "load.after_counts",
    "load.before_commit",
    "load.after_commit",
    "take_back.after_rows",
    "take_back.before_commit",
    "take_back.after_commit",
    "fail.before_commit",
    "fail.after_commit",
)
Deed = Literal["kill", "raise"]


class Injected(Exception):
    """The error that an armed failpoint raises."""


@dataclass
class _Trap:
    deed: Deed
    hits_left: int


_lock = threading.Lock()
_armed: dict[str, _Trap] = {}


def failpoint(name: str) -> None:
    """Die or raise here, if a test asked for it."""
    if _armed:
        _spring(name)


def arm(setting: str) -> None:
    """Set the traps that a setting names, in place of all earlier ones; an empty text takes them away."""
    traps = dict(_parsed(part) for part in setting.split(",") if part.strip())
    with _lock:
        _armed.clear()
        _armed.update(traps)


def _parsed(part: str) -> tuple[str, _Trap]:
    name, _, deed = part.strip().partition("=")
    deed, _, nth = deed.partition(":")
    if name not in POINTS or deed not in ("kill", "raise"):
        raise ValueError(f"BIEF_FAILPOINTS: '{part}' is not one of the known failpoints with kill or raise")
    return name, _Trap(cast("Deed", deed), int(nth or 1))


def _spring(name: str) -> None:
    with _lock:
        trap = _armed.get(name)
        if trap is None:
            return
        trap.hits_left -= 1
        if trap.hits_left > 0:
            return
        del _armed[name]
    if trap.deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise Injected(name)


arm(os.environ.get("BIEF_FAILPOINTS", ""))
