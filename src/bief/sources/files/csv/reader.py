"""Reads CSV files: the one door to this package, made and called by the files source. Start reading here.

    decoding   bytes of any encoding → UTF-8
    layout     the first bytes → marks, header, names of the columns
    blocks     UTF-8 → blocks of whole records
    texts      a block → columns of texts, and rejected rows     (Arrow; `salvage` and `scanning` where it is odd)
    columns    columns of texts → values in the types of the whole file     (`inference`, `kinds`, `notations`)

The types are those of the whole file, although it is read only once: they are taken from what came so far, and as
soon as a value does not fit, the rest of the file is looked through for all columns at once, and the file is read
again with what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.batch import ROW_NUMBER, Provenance, RejectedRow
from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.csv.blocks import BLOCK_BYTES, Block, Blocks, Sizes
from bief.sources.files.csv.columns import Columns, Misfit
from bief.sources.files.csv.decoding import Utf8Stream, utf8
from bief.sources.files.csv.kinds import Kind
from bief.sources.files.csv.layout import Layout, find_layout
from bief.sources.files.csv.options import CsvOptions
from bief.sources.files.csv.salvage import Salvage
from bief.sources.files.csv.texts import TextReader, Texts
from bief.sources.files.reading import Chunk, Content

_SAMPLE_BYTES = 64 * 2**10


class CsvReader:
    """Reads the CSV files of one stream. `declared`: types by name of the column in the table, before renaming."""

    def __init__(
        self,
        options: CsvOptions,
        declared: Mapping[str, pa.DataType],
        warn: Callable[[str], None],
        *,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._options, self._declared, self._warn = options, declared, _Once(warn)
        self._sizes = Sizes(block_bytes, max(2 * options.max_field_bytes, block_bytes))
        self._learnt: dict[str, tuple[Kind, ...]] = {}

    def chunks(self, content: Content) -> Iterator[Chunk]:
        """The rows of a file, in order, about `block_bytes` of it at a time, in the types of the whole file.

        Raises `SourceMisread` for a file that cannot be trusted as a whole: without a header, with a header that has
        names twice, with a quote that is never closed. Raises `SourceChanged` if a type turned out to be wrong
        when chunks had been given already; the next call knows better.
        """
        given = False
        while True:
            kinds = self._learnt.get(content.identity)
            for chunk in self._pass(content, kinds):
                if chunk is None:
                    break
                given = True
                yield chunk
            else:
                self._learnt.pop(content.identity, None)
                return
            if given:
                raise SourceChanged(
                    "A column holds other values than the beginning of the file let expect: the file is read again.",
                    where=content.name,
                )

    def sample(self, content: Content, rows: int) -> Chunk:
        """About the first `rows` rows, in the types of what was looked at."""
        small = CsvReader(
            self._options, self._declared, self._warn, block_bytes=min(_SAMPLE_BYTES, self._sizes.block_bytes)
        )
        for chunk in small.chunks(content):
            if chunk.rows.num_rows or chunk.rejected:
                return Chunk(chunk.rows.slice(0, rows), chunk.rejected[:rows], chunk.provenance, chunk.size_bytes)
        return Chunk(arrow.table({ROW_NUMBER: arrow.array([], arrow.int64())}))

    def _pass(self, content: Content, kinds: tuple[Kind, ...] | None) -> Iterator[Chunk | None]:
        """The chunks of one pass over a file; None at the end if it has to be read again with what was learnt."""
        with closing(content.open()) as raw:
            stream = utf8(raw, self._options.encoding, content.name)
            head, layout = self._beginning(stream, content.name)
            if layout is None:
                return
            texts = TextReader(Salvage(layout, self._options, content.name))
            columns = Columns(layout.names, self._declared, self._options, kinds)
            blocks = iter(
                Blocks(
                    stream,
                    layout.dialect,
                    self._sizes,
                    head=head[layout.start :],
                    line=layout.line,
                    where=content.name,
                )
            )
            is_empty = True
            for block in blocks:
                found = texts.read(block)
                values = columns.read(found.columns)
                if values is None:
                    self._learnt[content.identity] = _look_through(found, blocks, texts, columns)
                    yield None
                    return
                is_empty = False
                yield _chunk(layout, found, *values, size_bytes=block.size_bytes)
            if is_empty:
                yield Chunk(_table(layout, columns.empty, arrow.array([], arrow.int64())))

    def _beginning(self, stream: Utf8Stream, where: str) -> tuple[bytes, Layout | None]:
        """The first bytes, with at least the header, and what they say; no layout for a file without anything."""
        head, final = b"", False
        while True:
            while len(head) < self._sizes.block_bytes and not final:
                more = stream.read(self._sizes.block_bytes - len(head))
                head, final = head + more, not more
            layout = find_layout(head, self._options, where, self._warn, final=final)
            if layout is not None:
                return head, layout
            if final and not self._options.allow_empty:
                raise SourceMisread(
                    "The file is empty: it has no row, not even a header.",
                    where=where,
                    do="If that is no accident, set `allow_empty: true`.",
                )
            if final:
                return b"", None
            if len(head) > self._sizes.max_record_bytes:
                raise SourceMisread(f"No header ends in the first {len(head)} bytes.", where=where)
            more = stream.read(len(head))
            head, final = head + more, not more


class _Once:
    """Says the same thing once, however often a file is read."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._said: set[str] = set()

    def __call__(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._warn(message)


def _look_through(found: Texts, rest: Iterator[Block], texts: TextReader, columns: Columns) -> tuple[Kind, ...]:
    """The kinds of all columns, after this block and all that follow."""
    columns.learn(found.columns)
    for block in rest:
        columns.learn(texts.read(block).columns)
    return columns.kinds


def _chunk(layout: Layout, found: Texts, columns: list[Column], misfits: list[Misfit], *, size_bytes: int) -> Chunk:
    numbers = arrow.arange(0, found.count)
    rejected = found.rejected
    if misfits:
        first = {misfit.row: misfit for misfit in reversed(misfits)}
        numbers = arrow.array([row for row in range(found.count) if row not in first], arrow.int64())
        columns = [column.take(numbers) for column in columns]
        rejected += tuple(_rejected(first[row], found) for row in sorted(first))
    provenance = Provenance(raw=found.places.raw, origin=found.places.origin)
    return Chunk(_table(layout, columns, numbers), rejected, provenance, size_bytes)


def _rejected(misfit: Misfit, found: Texts) -> RejectedRow:
    places = found.places
    return RejectedRow(places.origin(misfit.row), "type", misfit.reason, places.raw(misfit.row), column=misfit.column)


def _table(layout: Layout, columns: list[Column], numbers: Any) -> pa.Table:
    return pa.table([*columns, numbers], names=[*layout.sources, ROW_NUMBER])
