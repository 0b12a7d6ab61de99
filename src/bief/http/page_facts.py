"""What a page shows and what the next one asks: the small words that all pagers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bief.errors import SourceMisread

State = Mapping[str, Any]
ABSENT: Final = object()
CHECK: Final = "Check `pagination` of the stream."
_YES: Final = (True, 1, "true", "True")
_NO: Final = (False, 0, None, "false", "False", "")
# What an int64 holds: nobody counts further, and a longer text costs more than it tells.
_MOST_DIGITS: Final = 18


@dataclass(frozen=True)
class Ask:
    """What one page adds to the request of its stream. `link` takes the place of the stream's own URL."""

    params: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True)
class Seen:
    """What a page shows: the fields that the pager asked for (`ABSENT` where the body lacks one), and the rest.

    `misread` makes the error for an answer that is not as declared.
    """

    rows: int
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    misread: Callable[[str, str], SourceMisread]


class Loops:
    """Remembers where the list has led, because a server can send us in circles for ever."""

    def __init__(self) -> None:
        self._visited: set[int] = set()

    def visit(self, place: Any) -> None:
        if place is not None:
            self._visited.add(hash(place))

    def check(self, place: Any, seen: Seen) -> None:
        if hash(place) in self._visited:
            raise seen.misread(f"There is a pagination loop: the next page ({str(place)[:80]}) was read before", CHECK)
        self._visited.add(hash(place))


def named(*paths: str | None) -> tuple[str, ...]:
    return tuple(path for path in paths if path)


def size_in(options: Any) -> dict[str, int]:
    return {options.size_param: options.size} if options.size_param and options.size else {}


def has_more_in(path: str | None, seen: Seen) -> bool | None:
    """What the declared flag says; None if there is none. A flag that is declared must be there."""
    if not path:
        return None
    value = seen.fields[path]
    if value is ABSENT:
        raise seen.misread(f"`{path}` is not in the answer, though `has_more` names it", CHECK)
    if isinstance(value, bool | int | str | None) and value in _YES:
        return True
    if isinstance(value, bool | int | str | None) and value in _NO:
        return False
    raise seen.misread(f"`{path}` is neither true nor false", CHECK)


def count_in(path: str | None, seen: Seen) -> int | None:
    value = seen.fields[path] if path else None
    if isinstance(value, str) and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
