"""One round of one stream: where the next one begins, one snapshot, and its rows batch by batch.

Called by `source`, which takes a round up again when the connection was lost. The order of the first steps is what
makes late commits safe (docs/databases.md): the watermark is asked before the snapshot is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from bief.base.events import PageRead, SourceWarned, StreamSized
from bief.batches.batch import Batch, Position
from bief.errors import SourceMisread
from bief.ports.runtime import Runtime
from bief.sources.database.decoding import decoded
from bief.sources.database.hiding import Hider, hidden_names, visible
from bief.sources.database.options import DatabaseStream
from bief.sources.database.positions import Progress, Span, fingerprint, gapless, progress_of
from bief.sources.database.ranges import pieces
from bief.sources.database.relations import Bound, Column, Range, Relation, Selection
from bief.sources.database.session import Session


@dataclass(frozen=True)
class Reading:
    """What all rounds of a stream have in common. `source` and `stream` are names; `hide` writes SQL."""

    source: str
    stream: str
    options: DatabaseStream
    connect: Callable[[], Session]
    hide: Hider
    runtime: Runtime

    def batches(self, since: Position | None) -> Generator[Batch]:
        """The rest of the round that `since` leads into, or a new one. Ends early when the run is told to stop."""
        with closing(self.connect()) as session:
            progress = progress_of(since, self.options.cursor)
            if not progress.begun:
                progress = self._marked(progress, session)
            session.begin()
            relation = session.describe(self.stream, self.options)
            selection = self._selection(relation, progress, session)
            if progress.begun:
                self._refuse_another_key(progress, selection)
            else:
                progress = self._measured(progress, selection, session)
            selection = session.settled(selection)
            yield from self._read(self._parted(progress, selection, session), selection, session)

    def check(self, session: Session) -> None:
        """See that the relation is there, may be read, and has the columns of which the project file speaks."""
        relation = session.describe(self.stream, self.options)
        self._selection(relation, Progress(), session)
        if self.options.cursor is not None:
            _column(relation, self.options.cursor)

    def sample(self, rows: int) -> Batch:
        """The first rows of a full read."""
        with closing(self.connect()) as session:
            session.begin()
            relation = session.describe(self.stream, self.options)
            selection = session.settled(replace(self._selection(relation, Progress(), session), limit=rows))
            given = [pa.Table.from_batches([batch]) for batch in session.batches(selection)]
            table = pa.concat_tables(given) if given else _nothing(selection)
            return self._batch(table, selection, Position({}, complete=False))

    def _marked(self, progress: Progress, session: Session) -> Progress:
        """The round, with the beginning of the next one, which is asked before there is a snapshot."""
        if self.options.cursor is None:
            return progress
        cursor = _column(session.describe(self.stream, self.options), self.options.cursor)
        mark = session.watermark(cursor, self.options)
        for warning in mark.warnings:
            self._warn(warning)
        if mark.unchanged:
            return replace(progress, next_low=progress.low, loose=progress.low_loose)
        return replace(progress, next_low=mark.text, loose=mark.loose or not mark.known)

    def _selection(self, relation: Relation, progress: Progress, session: Session) -> Selection:
        for name in self.options.primary_key:
            _column(relation, name)
        shape = self.options.shape()
        # A key that is hidden must not stand in a position: without it the stream is read whole or not at all.
        key = () if hidden_names(relation, shape) & set(relation.key) else relation.key
        bound = None
        if self.options.cursor is not None and progress.low is not None:
            cursor = _column(relation, self.options.cursor)
            lookback = session.lookback(cursor, self.options) if progress.low_loose else ""
            bound = Bound(cursor, progress.low, lookback)
        return Selection(
            relation=relation,
            columns=visible(relation, shape, self.hide),
            key=tuple(_column(relation, name) for name in key),
            bound=bound,
        )

    def _measured(self, progress: Progress, selection: Selection, session: Session) -> Progress:
        """Tell how many rows there will be; find the greatest cursor, if that is where the next round begins."""
        rows = selection.relation.rows
        unknown = progress.loose and progress.next_low is None
        if self.options.cursor is not None and (selection.bound is not None or unknown):
            measure = session.measure(selection, _column(selection.relation, self.options.cursor))
            rows = measure.rows
            if measure.without_cursor and selection.bound is not None:
                self._warn(
                    f"{measure.without_cursor} rows have no `{self.options.cursor}`: only a full read sees changes of "
                    "theirs."
                )
            if unknown and measure.greatest is None:
                progress = replace(progress, next_low=progress.low, loose=progress.low_loose)
            elif unknown:
                progress = replace(progress, next_low=measure.greatest)
        if rows is not None:
            self.runtime.emit(StreamSized(stream=self.stream, rows=rows))
        return progress

    def _refuse_another_key(self, progress: Progress, selection: Selection) -> None:
        if progress.key != tuple(column.name for column in selection.key):
            raise SourceMisread(
                f"the key of {selection.relation.name} is another one than when this round was cut off.",
                where=f"{self.source}.{self.stream}",
                do="Run once with --full-refresh.",
            )
        if progress.columns != fingerprint(selection.columns):
            self._warn(
                "The columns were changed while a round was cut off: rows that were read before get values in new "
                "columns when they change, or by --full-refresh."
            )

    def _parted(self, progress: Progress, selection: Selection, session: Session) -> Progress:
        """The round with its ranges, which cover every key there can be."""
        spans = progress.spans
        if not spans:
            parts = self.options.parallel
            ranges = session.ranges(selection, parts) if parts > 1 else [Range()]
            spans = tuple(Span(each) for each in ranges)
        if not gapless(spans):
            raise SourceMisread(
                "the ranges of keys in the position leave a gap.",
                where=f"{self.source}.{self.stream}",
                do="Run once with --full-refresh.",
            )
        key = tuple(column.name for column in selection.key)
        return replace(progress, spans=spans, key=key, columns=fingerprint(selection.columns))

    def _read(self, progress: Progress, selection: Selection, session: Session) -> Iterator[Batch]:
        """Each piece as a batch; the last one is held back until it is known to be the last."""
        held: pa.Table | None = None
        began = time.monotonic()
        with closing(pieces(session, selection, progress.spans, self.options.batch_rows)) as parts:
            for piece in parts:
                if self.runtime.stop.is_set():
                    return
                if piece.rows is None:
                    progress = progress.with_span(piece.span, done=True)
                    continue
                if held is not None:
                    position = progress.position(complete=False) if selection.key else None
                    yield self._batch(held, selection, position)
                self._tell(piece.rows, time.monotonic() - began)
                held, began = piece.rows, time.monotonic()
                progress = progress.with_span(piece.span, last=_last_key(piece.rows, selection))
        last = held if held is not None else _nothing(selection)
        yield self._batch(last, selection, progress.position(complete=True))

    def _batch(self, given: pa.Table, selection: Selection, position: Position | None) -> Batch:
        made = decoded(given, selection.columns, _origin(given, selection))
        return Batch(rows=made.rows, position=position, rejected=made.rejected, provenance=made.provenance, typed=True)

    def _tell(self, rows: pa.Table, seconds: float) -> None:
        self.runtime.emit(
            PageRead(source=self.source, stream=self.stream, rows=rows.num_rows, bytes=rows.nbytes, seconds=seconds)
        )

    def _warn(self, message: str) -> None:
        self.runtime.emit(SourceWarned(source=self.source, stream=self.stream, message=message))


def _column(relation: Relation, name: str) -> Column:
    found = relation.column(name)
    if found is None:
        names = ", ".join(column.name for column in relation.columns)
        raise SourceMisread(f"{relation.name} has no column '{name}'.", do=f"It has: {names}.")
    return found


def _last_key(rows: pa.Table, selection: Selection) -> tuple[str, ...] | None:
    return _key(rows, selection, rows.num_rows - 1) if selection.key else None


def _key(rows: pa.Table, selection: Selection, row: int) -> tuple[str, ...]:
    """The key of a row in the words of the database."""
    texts = iter(range(len(selection.columns), rows.num_columns))
    shown = (selection.shown(column) for column in selection.key)
    places = [next(texts) if place is None else place for place in shown]
    return tuple(str(rows.column(place)[row].as_py()) for place in places)


def _origin(given: pa.Table, selection: Selection) -> Callable[[int], str]:
    """Where a row is to be found in the database."""
    name, columns = selection.relation.name, [column.name for column in selection.key]
    if not columns:
        return lambda row: f"{name}, row {row + 1} of a batch"

    def by_key(row: int) -> str:
        pairs = zip(columns, _key(given, selection, row), strict=True)
        return f"{name}, {', '.join(f'{column} {text}' for column, text in pairs)}"

    return by_key


def _nothing(selection: Selection) -> pa.Table:
    names = [
        *(column.name for column in selection.columns),
        *(f"key {place}" for place in range(len(selection.key_texts))),
    ]
    return pa.Table.from_arrays([pa.array([], pa.string()) for _ in names], names=names)
