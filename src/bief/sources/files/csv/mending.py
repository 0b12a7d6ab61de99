"""A regular block with a few bad records in it: the bad ones are taken out, all others stay as quick as ever.

Called by `texts` where Arrow stumbles over a block whose quotes are in order: over a record with too many or too few
fields, bytes that are not UTF-8, a NUL. Only the bad records go through `salvage`, one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bief.batches.batch import RejectedRow
from bief.sources.files.csv.blocks import Block
from bief.sources.files.csv.salvage import Salvage, Salvaged
from bief.sources.files.csv.scanning import Record, scan

_NUL = b"\x00"
# Reads data; puts the numbers, from 1, of records with another number of fields than the header into the list.
Reader = Callable[[bytes, list[int]], Any]


@dataclass(frozen=True)
class Index:
    """Where the records of a regular block begin, and on which lines. Blank lines are left out if they are no records.

    Found by splitting at line ends: in a regular block, a line end stands in a field if the quotes before it are odd
    in number.
    """

    block: Block
    starts: list[int]
    lines: list[int]

    @classmethod
    def of(cls, block: Block, quote: bytes, *, with_blanks: bool) -> Index | None:
        """The index of a block; None if its lines end with a CR alone, which only `scan` takes apart."""
        data = block.data
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        starts, lines, place, is_inside = list[int](), list[int](), 0, False
        has_quotes = bool(quote) and quote in data
        for line, text in enumerate(data.split(b"\n"), start=block.line):
            if not is_inside and (with_blanks or (text and text != b"\r")):
                starts.append(place)
                lines.append(line)
            if has_quotes and text.count(quote) % 2:
                is_inside = not is_inside
            place += len(text) + 1
        if starts and starts[-1] >= len(data):
            del starts[-1], lines[-1]
        return cls(block, starts, lines)

    def record(self, number: int) -> Block:
        """One record, from 0, as a block of its own."""
        data = self.block.data[self.starts[number] : self._end(number)]
        return Block(data, self.lines[number], len(data))

    def at(self, place: int) -> int:
        """The number of the record that the byte at `place` stands in."""
        return bisect_right(self.starts, place) - 1

    def replaced(self, texts: Mapping[int, bytes]) -> bytes:
        """The data with other texts in the place of some records, which come in their order."""
        pieces, place = [], 0
        for number, text in texts.items():
            pieces += [self.block.data[place : self.starts[number]], text]
            place = self._end(number)
        return b"".join((*pieces, self.block.data[place:]))

    def _end(self, number: int) -> int:
        """Where the next record begins."""
        return self.starts[number + 1] if number + 1 < len(self.starts) else len(self.block.data)

    @cached_property
    def unreadable(self) -> set[int]:
        """The numbers of the records that hold a NUL or bytes that are not UTF-8."""
        data, found = self.block.data, set[int]()
        place = data.find(_NUL)
        while place >= 0:
            number = self.at(place)
            found.add(number)
            place = data.find(_NUL, self._end(number))
        start = 0
        while start < len(data):
            try:
                data[start:].decode()
            except UnicodeDecodeError as error:
                number = self.at(start + error.start)
                found.add(number)
                start = self._end(number)
            else:
                break
        return found


@dataclass(frozen=True)
class Mended:
    """The table of the good records, their numbers in the index, and the others as rejected rows."""

    table: Any
    numbers: list[int]
    rejected: tuple[RejectedRow, ...]


def mended(index: Index, read: Reader, salvage: Salvage) -> Mended | None:
    """The block without its bad records; None if it is odd in some other way."""
    unreadable = index.unreadable
    wrong = list[int]()
    table = read(index.replaced(dict.fromkeys(sorted(unreadable), b"")), wrong)
    if table is None:
        return None
    readable = [number for number in range(len(index.starts)) if number not in unreadable]
    bad = sorted(unreadable | {readable[place - 1] for place in wrong})
    salvaged: dict[int, Salvaged] = {number: salvage.salvage(index.record(number)) for number in bad}
    if any(each.kept for each in salvaged.values()):
        table = read(index.replaced({number: each.plain for number, each in salvaged.items()}), [])
    gone = {number for number, each in salvaged.items() if not each.kept}
    numbers = [number for number in range(len(index.starts)) if number not in gone]
    if table is None or table.num_rows != len(numbers):
        return None
    return Mended(table, numbers, tuple(row for each in salvaged.values() for row in each.rejected))


def only_record(index: Index, number: int, salvage: Salvage) -> tuple[bytes, Record]:
    """The bytes of a record and what is in them."""
    block = index.record(number)
    return block.data, next(iter(scan(block.data, salvage.layout.dialect, line=block.line)))
