"""A read of one stream: calls its function and makes batches, with the positions that they lead to.

Called by `source`. A read is all or nothing unless the function yields checkpoints: only those, and the end, are
positions. The position keeps the mark of the cursor where the round began (what the function is told as `since`), the
mark of the rows read since, and the last checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Self

from bief.base.names import column_name, column_names
from bief.base.secrets import Secret
from bief.batches.batch import ROW_NUMBER, Batch, Position
from bief.batches.casting import natural
from bief.batches.rows import RecordReader
from bief.ports.declaring import Checkpoint
from bief.sources.python.calling import Caller, printing_to_stderr, wanted
from bief.sources.python.collecting import Collector, at
from bief.sources.python.items import Piece, pieces
from bief.sources.python.marks import Mark, greatest
from bief.sources.python.options import PythonStream
from bief.sources.python.tables import is_arrow


@dataclass(frozen=True)
class Place:
    """Where a read is. `start`: the mark at the beginning of the round; `mark`: the greatest value since."""

    start: Mark | None = None
    mark: Mark | None = None
    checkpoint: Mapping[str, Any] | None = None

    @classmethod
    def after(cls, since: Position | None) -> Self:
        if since is None:
            return cls()
        mark = Mark.from_json(since.value.get("mark"))
        if since.complete:
            return cls(start=mark, mark=mark)
        return cls(Mark.from_json(since.value.get("start")), mark, since.value.get("checkpoint"))

    def position(self, *, complete: bool) -> Position:
        marks = {"mark": self.mark} if complete else {"start": self.start, "mark": self.mark}
        value: dict[str, Any] = {name: mark.as_json() for name, mark in marks.items() if mark is not None}
        if self.checkpoint is not None and not complete:
            value["checkpoint"] = self.checkpoint
        return Position(value, complete)


@dataclass(frozen=True)
class Reading:
    """Reads one stream. `function` is asked for when the read begins; `options` and `secrets` are for it."""

    function: Callable[[], Callable[..., Any]]
    stream: PythonStream
    caller: Caller
    options: Mapping[str, Any]
    secrets: Mapping[str, Secret]

    def arguments(self, function: Callable[..., Any], place: Place) -> dict[str, Any]:
        """What the function is called with. Raises SourceMisread."""
        offered = {
            "since": place.start.value() if place.start else None,
            "checkpoint": place.checkpoint,
            "options": self.options,
            "secrets": {name: secret.reveal() for name, secret in self.secrets.items()},
            "stop": self.caller.runtime.stop,
            "log": self.caller.logger(),
        }
        return wanted(function, offered, self.caller)

    def batches(self, since: Position | None) -> Iterator[Batch]:
        """The batches of a read. Raises SourceError."""
        stop, place = self.caller.runtime.stop, Place.after(since)
        collector, is_open, unusable = self._collector(), False, 0
        with printing_to_stderr(), closing(self._pieces(place)) as found:
            for piece in found:
                if stop.is_set():
                    return
                if isinstance(piece, Checkpoint):
                    place = replace(place, checkpoint=self._checked(piece))
                    if not is_open and not collector.is_worth_a_load():
                        continue
                elif collector.has_room_for(piece):
                    collector.add(piece)
                    continue
                batch = collector.taken()
                place, unusable = self._marked(place, batch, unusable)
                is_open = not isinstance(piece, Checkpoint)
                if isinstance(piece, Checkpoint):
                    batch = at(batch, place.position(complete=False))
                else:
                    collector.add(piece)
                yield batch
        if stop.is_set():
            # A function that looks at `stop` ends early by itself: what it gave is not all.
            return
        batch = collector.taken()
        place, unusable = self._marked(place, batch, unusable)
        if unusable:
            self.caller.warn(f"{unusable} rows have no usable value in the cursor '{self.stream.cursor}'.")
        yield at(batch, place.position(complete=True))

    def sample(self, rows: int) -> Batch:
        """The first rows, with as little work of the function as that takes. Raises SourceError."""
        collector = self._collector()
        with printing_to_stderr(), closing(self._pieces(Place(), rows)) as found:
            for piece in found:
                if not isinstance(piece, Checkpoint):
                    if not collector.has_room_for(piece):
                        break
                    collector.add(piece)
                if collector.rows >= rows:
                    break
        return at(collector.taken(), Position({}, complete=False))

    def _collector(self) -> Collector:
        reader = RecordReader(self.stream.shape().reader_types())
        return Collector(self._label, reader, self.caller.runtime.clock, self.stream.batch_rows)

    @property
    def _label(self) -> str:
        return f"function {self.stream.function}"

    def _pieces(self, place: Place, max_rows: int | None = None) -> Generator[Piece, None, None]:
        with self.caller.blamed():
            function = self.function()
            given = function(**self.arguments(function, place))
            yield from pieces(self._items(given), self._label, max_rows or self.stream.batch_rows)

    def _items(self, given: Any) -> Iterator[Any]:
        """What a function yields, one by one, also if it returned it."""
        if isinstance(given, Mapping) or is_arrow(given):
            yield given
        elif isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
            what = f"the function '{self.stream.function}' gave {_kind(given)} and no rows."
            raise self.caller.misread(what, "It must yield or return dicts, lists of dicts, or tables.")
        else:
            yield from given

    def _marked(self, place: Place, batch: Batch, unusable: int) -> tuple[Place, int]:
        """The place after a batch, and the number of rows so far that have no usable cursor."""
        if self.stream.cursor is None or not batch.rows.num_rows:
            return place, unusable
        names = [name for name in batch.rows.column_names if name != ROW_NUMBER]
        sources = dict(zip(column_names(names), names, strict=True))
        cursor = column_of(self.stream.cursor)
        if cursor not in sources:
            return place, unusable + batch.rows.num_rows
        try:
            found, more = greatest(natural(batch.rows.column(sources[cursor])), self._now())
            if found is not None and (place.mark is None or place.mark.is_before(found)):
                place = replace(place, mark=found)
        except TypeError as error:
            what = f"the values of the cursor '{self.stream.cursor}' cannot be compared: {error}."
            raise self.caller.misread(what, "Give them one type in the function.") from error
        return place, unusable + more

    def _now(self) -> Any:
        return self.caller.runtime.clock.now()

    def _checked(self, checkpoint: Checkpoint) -> Mapping[str, Any]:
        """The value of a checkpoint as it will be read back. Raises SourceMisread."""
        try:
            text = json.dumps(dict(checkpoint.value), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise self.caller.misread(f"a checkpoint cannot be written as JSON: {error}.") from error
        if self.caller.runtime.redactor.clean(text) != text:
            raise self.caller.misread("a checkpoint holds a secret.", "Positions are kept in the destination.")
        value: dict[str, Any] = json.loads(text)
        return value


def column_of(field: str) -> str:
    """The column of a field, which can be inside other ones (`meta.updated_at`), before renaming."""
    return column_name("__".join(field.split(".")))


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
