"""A block with something odd in it, record by record: what is good goes on in plain CSV, what is not is rejected.

Called by `texts` for the blocks that Arrow does not take as they are, and by `places` for all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bief.batches.batch import RejectedRow
from bief.errors import SourceMisread
from bief.sources.files.csv.blocks import SHOWN_BYTES, Block, unclosed_quote
from bief.sources.files.csv.layout import Layout
from bief.sources.files.csv.options import CsvOptions
from bief.sources.files.csv.scanning import Field, Record, fields, scan

_NUL: Final = b"\x00"


@dataclass(frozen=True)
class Salvaged:
    """`plain`: the good records, each as plain CSV; `kept`: the same as they stand in the block."""

    plain: bytes
    kept: tuple[Record, ...]
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True)
class Salvage:
    """Takes the blocks of one file apart. `where`: the name of the file."""

    layout: Layout
    options: CsvOptions
    where: str

    def salvage(self, block: Block) -> Salvaged:
        """What can be read of a block. Raises `SourceMisread` for a quote that is never closed."""
        if block.is_oversize:
            reason = f"the record is longer than `max_field_bytes` ({self.options.max_field_bytes})"
            rejected = RejectedRow(self.origin(block.line), "field_too_long", reason, _shown(block.data))
            return Salvaged(b"", (), (rejected,))
        doubts = _doubts(block.data, self.options.max_field_bytes)
        plain = _Pieces(block.data)
        kept: list[Record] = []
        rejected_rows: list[RejectedRow] = []
        for record in scan(block.data, self.layout.dialect, line=block.line):
            if record.is_blank and len(self.layout.sources) > 1:
                continue
            refused = self._refusal(block.data, record, doubts)
            if refused is None:
                kept.append(record)
                plain.add(record, self._rewritten(block.data, record))
            else:
                rejected_rows.append(refused)
        return Salvaged(plain.joined(), tuple(kept), tuple(rejected_rows))

    def origin(self, line: int) -> str:
        """The place of a record, for people."""
        return f"{self.where}, line {line}"

    def raw(self, data: bytes, record: Record) -> str:
        """A record as a JSON object of its texts, by the names of the source's columns."""
        found, names = fields(data, record, self.layout.dialect), self.layout.sources
        members: dict[str, Any] = dict(zip(names, map(self._text, found), strict=False))
        if len(found) > len(names):
            members["_surplus"] = [self._text(field) for field in found[len(names) :]]
        if len(found) < len(names):
            members["_missing"] = list(names[len(found) :])
        return msgspec.json.encode(members).decode()

    def _text(self, field: Field) -> str | None:
        text = field.text.decode()
        can_be_null = self.options.quoted_nulls or not field.is_quoted
        return None if can_be_null and text in self.options.null_values else text

    def _refusal(self, data: bytes, record: Record, doubts: _Doubts) -> RejectedRow | None:
        """Why a record is rejected; None if it is good."""
        text, width = data[record.start : record.end], len(self.layout.sources)
        rule = reason = raw = ""
        if record.fault:
            self._see_to_quotes(text, record)
            rule, reason, raw = "quote", record.fault, _shown(text)
        elif doubts.binary and (reason := _not_utf8(text)):
            rule, raw = "encoding", _shown(text)
        elif doubts.nul and _NUL in text and self.options.nul == "reject":
            rule, reason = "nul_character", "the record holds a NUL character, which not every database can store"
        elif doubts.long and (reason := self._too_long(data, record)):
            rule, raw = "field_too_long", _shown(text)
        elif record.width > width or (record.width < width and self.options.short_rows == "reject"):
            rule = "too_many_fields" if record.width > width else "too_few_fields"
            reason = f"the record has {record.width} field{'s' if record.width > 1 else ''}, the header {width}"
        return RejectedRow(self.origin(record.line), rule, reason, raw or self.raw(data, record)) if rule else None

    def _see_to_quotes(self, text: bytes, record: Record) -> None:
        """Raise `SourceMisread` for a record whose quotes leave it unclear where it ends."""
        if record.unclosed:
            raise unclosed_quote(self.where, record.fault)
        if len(text) > SHOWN_BYTES:
            raise SourceMisread(
                f"A record of {len(text)} bytes begins on line {record.line}, but {record.fault}: nobody can tell "
                "whether it is one record. Nothing of the file was loaded.",
                where=self.where,
                do="Correct the quotes of that record.",
            )

    def _too_long(self, data: bytes, record: Record) -> str:
        longest = max(len(field.text) for field in fields(data, record, self.layout.dialect))
        most = self.options.max_field_bytes
        return f"a field has {longest} bytes; `max_field_bytes` is {most}" if longest > most else ""

    def _rewritten(self, data: bytes, record: Record) -> bytes | None:
        """The plain form of a good record; None if it is plain already."""
        dialect, text = self.layout.dialect, data[record.start : record.end]
        missing = dialect.delimiter * (len(self.layout.sources) - record.width)
        if record.is_plain and not missing and _NUL not in text:
            return None
        if not record.is_plain:
            text = dialect.delimiter.join(_written(field, self.options) for field in fields(data, record, dialect))
        return text.replace(_NUL, b"") + missing + b"\n"


@dataclass(frozen=True)
class _Doubts:
    """What a record of a block may have: bytes that are not UTF-8, NULs, fields that are too long."""

    binary: bool
    nul: bool
    long: bool


def _doubts(data: bytes, max_field_bytes: int) -> _Doubts:
    return _Doubts(binary=bool(_not_utf8(data)), nul=_NUL in data, long=len(data) > max_field_bytes)


class _Pieces:
    """The plain form of the good records; those that stand side by side are copied together."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pieces: list[bytes] = []
        self._start = self._end = 0

    def add(self, record: Record, rewritten: bytes | None) -> None:
        if rewritten is None and record.start == self._end:
            self._end = record.after
            return
        self._pieces.append(self._data[self._start : self._end])
        if rewritten is None:
            self._start, self._end = record.start, record.after
        else:
            self._start = self._end = record.after
            self._pieces.append(rewritten)

    def joined(self) -> bytes:
        return b"".join((*self._pieces, self._data[self._start : self._end]))


def _written(field: Field, options: CsvOptions) -> bytes:
    """A field as Arrow reads it back: in quotes, unless it stood without them and means null."""
    if not field.is_quoted and field.text.decode() in options.null_values:
        return field.text
    quote = options.quote.encode()
    return quote + field.text.replace(quote, quote * 2) + quote if quote else field.text


def _not_utf8(text: bytes) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"byte 0x{text[error.start]:02x} is not UTF-8 (if the file is in another encoding, declare `encoding`)"
    return ""


def _shown(text: bytes) -> str:
    return text[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
