"""What a kind of database implements to be a source: one connection, and how to open it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from bief.sources.database.options import DatabaseStream
from bief.sources.database.relations import Column, Measure, Range, Relation, Selection


@dataclass(frozen=True)
class Watermark:
    """Where the next round begins: `text` is a cursor value in the words of the database.

    Every row that is not yet visible to a snapshot taken from now on, and every later change, has a cursor of at least
    that much. `known` False: the database cannot say so, and the greatest cursor of the snapshot is taken instead, less
    `lookback` (SQL) when it is used. `warnings` are sentences for the user.
    """

    text: str | None = None
    known: bool = True
    unchanged: bool = False
    loose: bool = False
    warnings: tuple[str, ...] = ()


class Session(Protocol):
    """One connection to a database. Owned by one thread. All methods raise `SourceError`.

    `SourceUnavailable` for whatever may be gone the next time (a lost connection), `SourceChanged` where a table is
    not any more what `describe` said.
    """

    def describe(self, stream: str, options: DatabaseStream) -> Relation:
        """The relation of a stream. Raises `SourceRefused` if there is none, or if it may not be read."""
        ...

    def watermark(self, cursor: Column, options: DatabaseStream) -> Watermark:
        """Where the next round must begin, asked before `begin`."""
        ...

    def lookback(self, cursor: Column, options: DatabaseStream) -> str:
        """SQL to subtract from the greatest cursor of the last round; empty for none."""
        ...

    def begin(self) -> None:
        """From here on, everything is asked in one snapshot, where the database has such a thing."""
        ...

    def measure(self, selection: Selection, cursor: Column) -> Measure:
        """Count a selection that has a bound, and find the greatest cursor."""
        ...

    def settled(self, selection: Selection) -> Selection:
        """The selection with a type for each undecided column, the same for all of its rows."""
        ...

    def ranges(self, selection: Selection, parts: int) -> Sequence[Range]:
        """About equal ranges of the key, contiguous and from end to end; one where it cannot be parted."""
        ...

    def beside(self) -> Session:
        """Another connection that sees the same snapshot, for another range."""
        ...

    def batches(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        """The rows: one column for each of `selection.columns`, named so, then one for each of
        `selection.key_texts`, called `_bief_key_0` and so on. Of any size; closing the iterator ends the query."""
        ...

    def close(self) -> None:
        """Let go of the connection; can be called twice."""
        ...
