"""Cuts a file into blocks of whole records, without looking at each of them. Called by `reader`.

A block is cut at its last line end, if the quotes before it are all where they should be and in pairs; that is one
pass of RE2. Where they are not (a line end inside quotes, a stray quote), the cut is moved, or made by `scanning`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bief.errors import SourceMisread
from bief.sources.files.csv.decoding import Utf8Stream
from bief.sources.files.csv.dialect import Dialect
from bief.sources.files.csv.oversize import RecordEnd
from bief.sources.files.csv.scanning import line_ends, scan

BLOCK_BYTES: Final = 4 * 2**20
SHOWN_BYTES: Final = 64 * 2**10


@dataclass(frozen=True)
class Block:
    """Whole records. `line`: the line, from 1, of the first. `is_regular`: Arrow reads them as `scanning` does, as far
    as quotes are concerned. `is_oversize`: `data` is only the beginning of one record that was too long to be kept.
    `size_bytes`: what the block takes in the file, as UTF-8."""

    data: bytes
    line: int
    size_bytes: int
    is_regular: bool = True
    is_oversize: bool = False


@dataclass(frozen=True)
class Sizes:
    """How much is read at once, and how long a record may get in memory."""

    block_bytes: int = BLOCK_BYTES
    max_record_bytes: int = 8 * BLOCK_BYTES


class Blocks:
    """The blocks of one file. `head`: what was read of `stream` already, from line `line` on."""

    def __init__(
        self, stream: Utf8Stream, dialect: Dialect, sizes: Sizes, *, head: bytes, line: int, where: str
    ) -> None:
        self._stream, self._dialect, self._sizes, self._where = stream, dialect, sizes, where
        self._data, self._line, self._is_final = head, line, False

    def __iter__(self) -> Iterator[Block]:
        """Raises `SourceMisread` for a quote that is never closed in a record that is too long to be kept."""
        while True:
            while len(self._data) < self._sizes.block_bytes and not self._is_final:
                self._read()
            if not self._data:
                return
            block = self._cut()
            while not block and not self._is_final and len(self._data) <= self._sizes.max_record_bytes:
                self._read()
                block = self._cut()
            yield block or self._skip_record()

    def _read(self) -> None:
        wanted = self._sizes.block_bytes - len(self._data)
        more = self._stream.read(wanted if wanted > 0 else self._sizes.block_bytes)
        self._data, self._is_final = self._data + more, not more

    def _cut(self) -> Block | None:
        """The whole records of what was read; None if there is not a single one."""
        data, dialect = self._data, self._dialect
        end = len(data) if self._is_final else _last_line_end(data, len(data))
        if not end and not (dialect.quote and dialect.quote in data):
            return None
        if end and dialect.is_regular(whole := data[:end]):
            return self._block(whole, is_regular=True)
        if not self._is_final:
            end = _outside_quotes(data, end, dialect.quote)
            if end and dialect.is_regular(whole := data[:end]):
                return self._block(whole, is_regular=True)
        end = 0
        for record in scan(data, dialect, final=self._is_final):
            end = record.after
        end = len(data) if self._is_final else end
        return self._block(data[:end], is_regular=False) if end else None

    def _block(self, data: bytes, *, is_regular: bool) -> Block:
        block = Block(data, self._line, len(data), is_regular)
        self._data = self._data[len(data) :]
        self._line += line_ends(data)
        return block

    def _skip_record(self) -> Block:
        """Read on to the end of a record without keeping it."""
        shown, lines, size, search = self._data[:SHOWN_BYTES], 0, 0, RecordEnd(self._dialect)
        while (end := search.find(self._data)) < 0 and not self._is_final:
            lines, size = lines + self._data.count(b"\n"), size + len(self._data)
            self._data = b""
            self._read()
        if end < 0 and search.is_inside_quotes:
            raise unclosed_quote(self._where, f"a quote that opens on line {self._line} or later is never closed")
        if end == len(self._data) - 1 and not self._is_final:
            self._read()
        after = end + (2 if self._data.startswith(b"\r\n", end) else 1) if end >= 0 else len(self._data)
        block = Block(shown, self._line, size + after, is_regular=False, is_oversize=True)
        self._line += lines + line_ends(self._data[:after])
        self._data = self._data[after:]
        return block


def unclosed_quote(where: str, what: str) -> SourceMisread:
    """The error for a quote that swallows the rest of a file: nobody can tell its rows from its texts."""
    return SourceMisread(
        f"{what[0].upper()}{what[1:]}: nothing of the file was loaded.",
        where=where,
        do="Close the quote in the file, or declare `quote` if the file uses another character, or none (`quote: ''`).",
    )


def _last_line_end(data: bytes, before: int) -> int:
    """Where the last complete line before `before` ends; 0 if there is none. A CR at the very end may become CR LF."""
    end = data.rfind(b"\n", 0, before)
    lone = data.rfind(b"\r", end + 1, min(before, len(data) - 1))
    return max(end, lone) + 1


def _outside_quotes(data: bytes, end: int, quote: bytes) -> int:
    """The last line end at or before `end` that has an even number of quotes before it; 0 if there is none."""
    is_inside = bool(quote) and data.count(quote, 0, end) % 2 == 1
    while end and is_inside:
        opening = data.rfind(quote, 0, end)
        end = _last_line_end(data, opening)
        is_inside = data.count(quote, end, opening) % 2 == 1
    return end
