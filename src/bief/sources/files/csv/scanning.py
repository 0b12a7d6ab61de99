"""The exact reader of records: slow, strict, and the judge of everything that is not plain.

Called by `layout` for the first records, by `blocks` where a block cannot be cut by its looks, by `salvage` for blocks
that are odd in some way, and for the place of a record when somebody asks for it. Knows nothing of columns or types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bief.sources.files.csv.dialect import Dialect

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its bytes are `data[start:end]`, the next one begins at `after`, its first line is `line` (from 1).

    `width`: the number of its fields. `is_plain`: Arrow reads its bytes as we do. `fault`: what is wrong with its
    quotes, empty if nothing is; `unclosed`: the fault is a quote that is never closed, up to the end of the file.
    """

    start: int
    end: int
    after: int
    line: int
    width: int
    is_plain: bool = True
    fault: str = ""
    unclosed: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether it is an empty line."""
        return self.start == self.end


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its text as bytes, without quotes and escapes."""

    text: bytes
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a field stands, quotes included. `is_closed`: what begins with a quote ends with one."""

    start: int
    end: int
    is_quoted: bool
    is_closed: bool = True
    tail: int = 0


def scan(data: bytes, dialect: Dialect, *, line: int = 1, final: bool = True) -> Iterator[Record]:
    """The records of `data`, which begins with one, empty lines included and comments left out.

    `final`: the file ends where `data` ends; else a record that may go on after it is not given.
    """
    lines = _Lines(data, final=final)
    marks = [_Finder(data, mark) for mark in (dialect.quote, dialect.escape) if mark]
    start = 0
    while start < len(data):
        end, after = lines.end_from(start)
        if after < 0:
            return
        if dialect.comment and data.startswith(dialect.comment, start):
            start, line = after, line + 1
            continue
        if all(not start <= mark.first_from(start) < end for mark in marks):
            record = Record(start, end, after, line, data.count(dialect.delimiter, start, end) + 1)
            line += 1
        else:
            found = _marked_record(data, start, line, dialect, lines, final=final)
            if found is None:
                return
            record = found
            line += line_ends(data[record.start : record.after])
        yield record
        start = record.after


def fields(data: bytes, record: Record, dialect: Dialect) -> list[Field]:
    """The fields of a record whose quotes are not at fault."""
    marks = [mark for mark in (dialect.quote, dialect.escape) if mark]
    if all(data.find(mark, record.start, record.end) < 0 for mark in marks):
        return [Field(text, is_quoted=False) for text in data[record.start : record.end].split(dialect.delimiter)]
    return [_field(data[span.start : span.end], span, dialect) for span in _spans(data, record.start, dialect)]


def line_ends(data: bytes) -> int:
    """How many lines end in `data`: with LF, with CR LF, or with CR alone."""
    count = data.count(b"\n")
    return count if b"\r" not in data else count + data.count(b"\r") - data.count(b"\r\n")


class _Finder:
    """The next place of a mark, looked for only once."""

    def __init__(self, data: bytes, mark: bytes) -> None:
        self._data, self._mark = data, mark
        self._next = data.find(mark)

    def first_from(self, start: int) -> int:
        if 0 <= self._next < start:
            self._next = self._data.find(self._mark, start)
        return self._next


class _Lines:
    """Where lines end."""

    def __init__(self, data: bytes, *, final: bool) -> None:
        self._data, self._final = data, final
        self._has_returns = b"\r" in data

    def end_from(self, start: int) -> tuple[int, int]:
        """Where the line ends that `start` stands in, and where the next one begins; (0, -1) if that is not known."""
        data = self._data
        if not self._has_returns:
            end = data.find(b"\n", start)
            if end >= 0:
                return end, end + 1
        else:
            found = _LINE_END.search(data, start)
            # After a CR that is the last byte, an LF may follow that belongs to it.
            if found and (self._final or found.end() < len(data) or found[0] != b"\r"):
                return found.span()
        return (len(data), len(data)) if self._final else (0, -1)


def _marked_record(
    data: bytes, start: int, line: int, dialect: Dialect, lines: _Lines, *, final: bool
) -> Record | None:
    """A record that holds quotes or escapes; None if it may go on after the end of `data`."""
    width, is_plain, fault = 0, True, ""
    end = start
    for span in _spans(data, start, dialect):
        width, end = width + 1, span.end
        if not span.is_closed:
            opened = line + line_ends(data[start : span.start])
            fault = f"the quote that opens on line {opened} is never closed"
            return Record(start, len(data), len(data), line, width, False, fault, True) if final else None  # noqa: FBT003
        if span.tail and not fault:
            closed = line + line_ends(data[start : span.end])
            fault = f"on line {closed} there is text after a closing quote"
        is_plain = is_plain and not _needs_rewriting(data, span, dialect)
    # The last field ends where its line does, unless the data ends before that.
    _, after = lines.end_from(end)
    if after < 0:
        return None
    return Record(start, end, after, line, width, is_plain, fault)


def _spans(data: bytes, start: int, dialect: Dialect) -> Iterator[_Span]:
    """The fields of the record that begins at `start`."""
    while True:
        is_quoted = bool(dialect.quote) and data.startswith(dialect.quote, start)
        if is_quoted:
            found = dialect.quoted_field.match(data, start)
            if found is None:
                yield _Span(start, len(data), is_quoted=True, is_closed=False)
                return
            rest = dialect.plain_field.match(data, found.end())
        else:
            found = rest = dialect.plain_field.match(data, start)
        end = rest.end() if rest is not None else len(data)
        tail = end - found.end() if is_quoted and found is not None else 0
        yield _Span(start, end, is_quoted, tail=tail)
        if not data.startswith(dialect.delimiter, end):
            return
        start = end + 1


def _needs_rewriting(data: bytes, span: _Span, dialect: Dialect) -> bool:
    if dialect.escape and data.find(dialect.escape, span.start, span.end) >= 0:
        return True
    return not span.is_quoted and bool(dialect.quote) and data.find(dialect.quote, span.start, span.end) >= 0


def _field(text: bytes, span: _Span, dialect: Dialect) -> Field:
    if span.is_quoted:
        text = text[1:-1].replace(dialect.quote * 2, dialect.quote) if not dialect.escape else text[1:-1]
    if dialect.escape:
        doubled = rb"|%b%b" % ((re.escape(dialect.quote),) * 2) if span.is_quoted else b""
        text = re.sub(
            rb"%b(.)%b" % (re.escape(dialect.escape), doubled),
            lambda found: found[1] if found[1] is not None else dialect.quote,
            text,
            flags=re.DOTALL,
        )
    return Field(text, span.is_quoted)
