"""What users write in a Python file that is a source: `bief.source` and `bief.Checkpoint`. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Checkpoint:
    """Yielded by a function of a source: what was yielded so far can be kept, and the read can go on from here.

    `value` is a JSON object without secrets. A run that was cut off calls the function again with
    `checkpoint=value`; a run after a complete read does not.
    """

    value: Mapping[str, Any]


@overload
def source(function: Function) -> Function: ...


@overload
def source(
    *, primary_key: str | Sequence[str] = (), cursor: str | None = None, columns: Mapping[str, Any] | None = None
) -> Callable[[Function], Function]: ...


def source(
    function: Function | None = None,
    *,
    primary_key: str | Sequence[str] = (),
    cursor: str | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Function | Callable[[Function], Function]:
    """Marks a function as a stream of a source of type `python`, and says what its rows are.

    The arguments are keys of the stream in bief.yaml, where they win. They must be literals, because Bief reads them
    from the text of the file: a project is checked without running its code. The function stays as it is.
    """

    def marked(function: Function) -> Function:
        return function

    return marked if function is None else marked(function)
