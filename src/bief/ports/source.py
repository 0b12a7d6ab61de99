"""What a source promises. Implemented in `bief.sources`, called by `bief.run`, joined by `bief.assemble`.

A source class also has `Options`: its closed pydantic model, and is made by `Class(name, options, runtime)`; making
it does no I/O. `ports.registry` finds it by its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from bief.batches.batch import Batch, Position
from bief.batches.shaping import Shape
from bief.ports.runtime import Runtime


@dataclass(frozen=True)
class Stream:
    """One thing that a source offers, as declared: enough to plan a run without any I/O.

    `primary_key` and `cursor` are column names of the table (snake_case, flattened, after renaming). `incremental`:
    the second read brings only what has changed; `overlaps`: and with it, rows that were read before. `deletes`:
    batches may carry `deleted` keys. `caveats` are reasons, one clause each, why a read can miss or repeat rows
    whatever the destination does; they end up in the guarantee label.
    """

    name: str
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    incremental: bool = False
    overlaps: bool = True
    deletes: bool = False
    shape: Shape = field(default_factory=Shape)
    caveats: tuple[str, ...] = ()


class Source(Protocol):
    """Where data comes from. Its methods may be called from several threads, one stream each."""

    Options: ClassVar[type[BaseModel]]
    kind: ClassVar[str]

    def streams(self) -> Sequence[Stream]:
        """The streams that the project file declares, in its order. No I/O."""
        ...

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        """The rows of a stream, batch by batch, each with the position it leads to.

        `since` None: everything. Complete: a new round from there (what has changed, or everything again if the
        stream is not incremental). Incomplete: go on inside the round that was cut off. The last batch, and only
        it, has `position.complete` (it may have no rows). A batch without a position is loaded together with those
        that follow. When `runtime.stop` is set the iterator ends early,
        between batches, without a complete position. Raises `SourceError`; `SourceChanged` where the
        batches since the last position must be forgotten and read again.
        """
        ...

    def sample(self, stream: str, rows: int) -> Batch:
        """About the first `rows` rows of a full read, for a preview: as little traffic as that takes.

        Raises `SourceError`. The position of the batch means nothing.
        """
        ...

    def check(self) -> None:
        """Reach the source and prove that the credentials work. Raises `SourceError`."""
        ...

    def close(self) -> None:
        """Let go of connections and threads. Can be called twice."""
        ...


class SourceClass(Protocol):
    """What the registry gives for a kind."""

    Options: ClassVar[type[BaseModel]]
    kind: ClassVar[str]

    def __call__(self, name: str, options: Any, runtime: Runtime) -> Source: ...
