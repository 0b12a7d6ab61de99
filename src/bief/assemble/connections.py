"""Whether the parts of a project answer: for `bief check --connect`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bief.errors import BiefError


@dataclass(frozen=True)
class Connection:
    """Whether one part of the project was reached, and what it said if not."""

    role: Literal["source", "destination", "state"]
    name: str
    kind: str
    ok: bool
    message: str


def reached(
    role: Literal["source", "destination", "state"], name: str, kind: str, reach: Callable[[], object]
) -> Connection:
    """Reach a part, and say what came of it."""
    try:
        reach()
    except BiefError as error:
        return Connection(role, name, kind, ok=False, message=str(error))
    return Connection(role, name, kind, ok=True, message="")
