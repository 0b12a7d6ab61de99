"""How far a read has come: what stands in the position of a batch.

All values are texts in the words of the database, so that nothing is rounded on the way out and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bief.batches.batch import Position
from bief.sources.database.relations import Column, Range


@dataclass(frozen=True)
class Span:
    """One range of keys, and how much of it is read: the rows up to `last`, or all of them if `done`."""

    range: Range
    last: tuple[str, ...] | None = None
    done: bool = False

    @property
    def rest(self) -> Range:
        """What is still to be read."""
        return replace(self.range, after=self.last) if self.last is not None else self.range


@dataclass(frozen=True)
class Progress:
    """A round: it reads the rows whose `cursor` is at least `low`, and the next one begins at `next_low`.

    `next_low` is that of the *first* snapshot of the round: rows that changed before the round was taken up again
    in another snapshot come again in the next one. `loose`: `next_low` is the greatest cursor that was seen, from
    which a lookback is subtracted. `spans` is empty until the first row is read; `columns` is the fingerprint of what
    they were read with.
    """

    cursor: str | None = None
    low: str | None = None
    low_loose: bool = False
    next_low: str | None = None
    loose: bool = False
    key: tuple[str, ...] = ()
    columns: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether some rows of the round are read already."""
        return bool(self.spans)

    def with_span(self, place: int, *, last: tuple[str, ...] | None = None, done: bool = False) -> Progress:
        """The round after rows of one span up to the key `last`, or after all of them."""
        spans = list(self.spans)
        spans[place] = replace(spans[place], last=last or spans[place].last, done=done)
        return replace(self, spans=tuple(spans))

    def position(self, *, complete: bool) -> Position:
        """The position of a batch that leads to here."""
        low, loose = (self.next_low, self.loose) if complete else (self.low, self.low_loose)
        value: dict[str, Any] = {"cursor": self.cursor, "low": low, "loose": loose} if self.cursor else {}
        if not complete:
            value |= {
                "next": {"low": self.next_low, "loose": self.loose},
                "key": list(self.key),
                "columns": self.columns,
                "spans": [_written(span) for span in self.spans],
            }
        return Position(value, complete)


def progress_of(since: Position | None, cursor: str | None) -> Progress:
    """Where to go on. Another cursor than that of the position begins from nothing: its values say nothing."""
    value: Mapping[str, Any] = since.value if since is not None else {}
    known = bool(value.get("cursor") == cursor)
    low, loose = (value.get("low"), bool(value.get("loose"))) if known else (None, False)
    if since is None or since.complete:
        return Progress(cursor=cursor, low=low, low_loose=loose)
    following = value["next"]
    return Progress(
        cursor=cursor,
        low=low,
        low_loose=loose,
        next_low=following["low"] if known else None,
        loose=bool(following["loose"]),
        key=tuple(value["key"]),
        columns=str(value["columns"]),
        spans=tuple(_read(each) for each in value["spans"]),
    )


def fingerprint(columns: Sequence[Column]) -> str:
    """A short text that changes when columns or types do."""
    text = "\n".join(f"{column.name}\t{column.type_sql}" for column in columns)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def gapless(spans: Sequence[Span]) -> bool:
    """Whether the ranges follow one another from end to end, so that no row can fall between them."""
    ends = [span.range.up_to for span in spans]
    begins = [span.range.after for span in spans]
    return bool(spans) and begins == [None, *ends[:-1]] and ends[-1] is None and None not in ends[:-1]


def _written(span: Span) -> list[Any]:
    return [_listed(span.range.after), _listed(span.range.up_to), _listed(span.last), span.done]


def _read(value: Sequence[Any]) -> Span:
    after, up_to, last, done = value
    return Span(Range(_tupled(after), _tupled(up_to)), _tupled(last), bool(done))


def _listed(key: tuple[str, ...] | None) -> list[str] | None:
    return None if key is None else list(key)


def _tupled(key: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if key is None else tuple(key)
