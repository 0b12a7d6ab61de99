"""A block of records as columns of texts. Called by `reader`; hands the texts to `columns`.

Arrow reads nearly all blocks as they are. What it does not take, or would take too easily, goes through `salvage`
first and comes back as plain CSV. No other way leads from bytes to texts, so both have the same outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import RejectedRow
from bief.batches.schema import TEXT
from bief.errors import SourceMisread
from bief.sources.files.csv.blocks import Block
from bief.sources.files.csv.mending import Index, mended, only_record
from bief.sources.files.csv.salvage import Salvage, Salvaged
from bief.sources.files.csv.scanning import Record, scan

_arrow_csv: Final[Any] = pyarrow.csv


@dataclass(frozen=True)
class Texts:
    """The columns of one block, in the order of the file, all with `count` rows; and the place of each row."""

    columns: list[Column]
    count: int
    rejected: tuple[RejectedRow, ...]
    places: Places


@dataclass
class Places:
    """Where the rows of a block stand in the file. The block is looked through when somebody asks, and only then.

    `known`: the records of the rows, where the block was read record by record; `numbers`: their numbers in the
    index, where some records are no rows.
    """

    block: Block
    salvage: Salvage
    known: tuple[Record, ...] | None = field(default=None)
    numbers: list[int] | None = field(default=None)

    def origin(self, row: int) -> str:
        """The file and the line that a row begins on."""
        return self.salvage.origin(self._record(row)[1].line)

    def raw(self, row: int) -> str:
        """The row as a JSON object of texts."""
        return self.salvage.raw(*self._record(row))

    def _record(self, row: int) -> tuple[bytes, Record]:
        """The record of a row, with the bytes that it stands in."""
        if self.known is None and self.index is not None:
            return only_record(self.index, row if self.numbers is None else self.numbers[row], self.salvage)
        return self.block.data, self._records[row]

    @cached_property
    def index(self) -> Index | None:
        """Where the records begin; None for a block that has to be taken apart record by record."""
        if not self.block.is_regular:
            return None
        return Index.of(self.block, self.salvage.layout.dialect.quote, with_blanks=self._has_blanks)

    @property
    def _has_blanks(self) -> bool:
        return len(self.salvage.layout.sources) == 1

    @cached_property
    def _records(self) -> tuple[Record, ...]:
        if self.known is not None:
            return self.known
        found = scan(self.block.data, self.salvage.layout.dialect, line=self.block.line)
        return tuple(record for record in found if self._has_blanks or not record.is_blank)


class TextReader:
    """Reads the blocks of one file."""

    def __init__(self, salvage: Salvage) -> None:
        self._salvage = salvage
        dialect, options, width = salvage.layout.dialect, salvage.options, len(salvage.layout.sources)
        # Names of our own: those of the file may be anything.
        self._names = [str(place) for place in range(width)]
        self._options: dict[str, Any] = {
            "delimiter": dialect.delimiter.decode(),
            "quote_char": dialect.quote.decode() or False,
            "newlines_in_values": True,
            # A row of a single column without a value is an empty line.
            "ignore_empty_lines": width > 1,
        }
        self._convert = _arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self._names, TEXT),
            null_values=options.null_values,
            strings_can_be_null=bool(options.null_values),
            quoted_strings_can_be_null=options.quoted_nulls,
        )

    def read(self, block: Block) -> Texts:
        """The texts of a block. Raises `SourceMisread` where the file as a whole cannot be trusted."""
        places = Places(block, self._salvage)
        if block.is_regular:
            table = self._read(block.data) if b"\x00" not in block.data else None
            if table is not None and not self._has_long_field(table, block):
                return _texts(table, (), places)
            found = mended(places.index, self._read_most, self._salvage) if table is None and places.index else None
            if found is not None and not self._has_long_field(found.table, block):
                places.numbers = found.numbers
                return _texts(found.table, found.rejected, places)
        salvaged = self._salvage.salvage(block)
        places.known = salvaged.kept
        return Texts(self._salvaged(salvaged, block), len(salvaged.kept), salvaged.rejected, places)

    def _salvaged(self, salvaged: Salvaged, block: Block) -> list[Column]:
        if not salvaged.kept:
            return [arrow.array([], TEXT) for _ in self._names]
        table = self._read(salvaged.plain)
        if table is None or table.num_rows != len(salvaged.kept):
            raise SourceMisread(
                f"The {len(salvaged.kept)} records from line {block.line} on cannot be read.",
                where=self._salvage.where,
                do="This is an error of Bief: please report it with the lines around there.",
            )
        return [column.chunk(0) for column in table.columns]

    def _read(self, data: bytes) -> Any:
        """The table of a block, if Arrow reads it."""
        return self._table(data)

    def _read_most(self, data: bytes, wrong: list[int]) -> Any:
        """The same, without records of a wrong width; their numbers, from 1, are added to `wrong`."""

        def skip(row: Any) -> str:
            wrong.append(row.number)
            return "skip"

        return self._table(data, invalid_row_handler=skip)

    def _table(self, data: bytes, **more: Any) -> Any:
        parse = _arrow_csv.ParseOptions(**self._options, **more)
        reading = _arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._names)
        try:
            return _arrow_csv.read_csv(
                arrow.BufferReader(data), read_options=reading, parse_options=parse, convert_options=self._convert
            )
        except pa.ArrowInvalid:
            return None

    def _has_long_field(self, table: Any, block: Block) -> bool:
        most = self._salvage.options.max_field_bytes
        if len(block.data) <= most:
            return False
        return any((pc.max(pc.binary_length(column)).as_py() or 0) > most for column in table.columns)


def _texts(table: Any, rejected: tuple[RejectedRow, ...], places: Places) -> Texts:
    columns = [column.chunk(0) if column.num_chunks else arrow.array([], TEXT) for column in table.columns]
    return Texts(columns, table.num_rows, rejected, places)
