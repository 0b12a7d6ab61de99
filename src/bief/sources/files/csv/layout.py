"""Finds out how a file is laid out from its beginning: its marks, its header, and the names of its columns.

Called by `reader` with the first bytes of a file; what the project file declares is taken as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bief.base.names import column_name, column_names
from bief.batches.batch import ROW_NUMBER
from bief.errors import SourceMisread
from bief.sources.files.csv.blocks import unclosed_quote
from bief.sources.files.csv.dialect import Dialect
from bief.sources.files.csv.options import CsvOptions
from bief.sources.files.csv.scanning import Record, fields, line_ends, scan

_DELIMITERS: Final = (b",", b";", b"\t", b"|")
_LOOKED_AT: Final = 200
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True)
class Layout:
    """How a file is laid out. `sources`: its columns as the file calls them, no two alike; `names`: as the table does.
    The first record of data begins at byte `start` of what was looked at, in line `line`."""

    dialect: Dialect
    sources: tuple[str, ...]
    names: tuple[str, ...]
    start: int
    line: int


def find_layout(
    head: bytes, options: CsvOptions, where: str, warn: Callable[[str], None], *, final: bool
) -> Layout | None:
    """The layout of a file that begins with `head`; None if there is not even a header.

    `final`: there is nothing after `head`. Raises `SourceMisread` for a header that cannot be taken as it is.
    """
    start, line = _after_lines(head, options.skip_lines or 0)
    dialect = _dialect(head[start:], options, final=final)
    records = _first_records(head[start:], dialect, line, final=final)
    if options.header is True and options.skip_lines is None:
        records = _without_preamble(records, head[start:], where, warn)
    if not records:
        return None
    if options.header is not True:
        widths = Counter(record.width for record in records)
        names = options.header or [f"column_{n}" for n in range(1, widths.most_common(1)[0][0] + 1)]
        return _layout(
            dialect, names, start + records[0].start, records[0].line, options=options, where=where, warn=warn
        )
    header = records[0]
    if header.unclosed:
        raise unclosed_quote(where, header.fault)
    if header.fault:
        raise SourceMisread(f"The header cannot be read: {header.fault}.", where=where)
    if header.width == 1 and options.delimiter:
        _see_to_delimiter(head[start:], options, where, final=final)
    names = _header_names(head[start:], header, dialect, where)
    line = _line_after(head[start:], header)
    return _layout(dialect, names, start + header.after, line, options=options, where=where, warn=warn)


def _dialect(head: bytes, options: CsvOptions, *, final: bool) -> Dialect:
    delimiter = options.delimiter.encode() if options.delimiter else _likely_delimiter(head, options, final=final)
    return _with_delimiter(delimiter, options)


def _with_delimiter(delimiter: bytes, options: CsvOptions) -> Dialect:
    escape, comment = (options.escape or "").encode(), (options.comment or "").encode()
    return Dialect(delimiter, options.quote.encode(), escape, comment)


def _likely_delimiter(head: bytes, options: CsvOptions, *, final: bool) -> bytes:
    """The delimiter that gives most of the first records the same number of fields, and more than one."""
    taken = {(mark or "").encode() for mark in (options.quote, options.escape, options.comment)}
    candidates = [mark for mark in _DELIMITERS if mark not in taken]
    if options.decimal_mark == ",":
        candidates.sort(key=lambda mark: mark == b",")
    best, most = candidates[0], (0, 0)
    for delimiter in candidates:
        records = _first_records(head, _with_delimiter(delimiter, options), 1, final=final)
        widths = Counter(record.width for record in records if record.width > 1 and not record.fault)
        found = max(((count, width) for width, count in widths.items()), default=(0, 0))
        if found > most:
            best, most = delimiter, found
    return best


def _first_records(head: bytes, dialect: Dialect, line: int, *, final: bool) -> list[Record]:
    records = (record for record in scan(head, dialect, line=line, final=final) if not record.is_blank)
    return list(islice(records, _LOOKED_AT))


def _without_preamble(records: list[Record], head: bytes, where: str, warn: Callable[[str], None]) -> list[Record]:
    """The records from the header on. Before it there may be titles: lines of one field, where records have several."""
    first = next((place for place, record in enumerate(records) if record.width > 1), 0)
    widths = Counter(record.width for record in records[first:])
    # In a file of one column, a text with a delimiter in it makes no table of what follows.
    if len(records) < first + 2 or max(widths, key=lambda width: (widths[width], width)) == 1:
        return records
    if first:
        shown = head[records[0].start : records[0].end].decode(errors="replace")[:_SHOWN_CHARACTERS]
        warn(
            f"{where}: the lines before the header (from {shown!r} on) were left out. "
            f"`skip_lines: {records[first].line - 1}` says so without this warning."
        )
    return records[first:]


def _see_to_delimiter(head: bytes, options: CsvOptions, where: str, *, final: bool) -> None:
    """Raise `SourceMisread` if another delimiter than the declared one makes columns of the header."""
    likely = _likely_delimiter(head, options, final=final)
    header = next(iter(_first_records(head, _with_delimiter(likely, options), 1, final=final)))
    if header.width > 1:
        raise SourceMisread(
            f"The header has a single column with the delimiter {options.delimiter!r}, "
            f"but {header.width} with {likely.decode()!r}.",
            where=where,
            do=f"Declare `delimiter: {likely.decode()!r}`, or none: it is found out then.",
        )


def _header_names(head: bytes, header: Record, dialect: Dialect, where: str) -> list[str]:
    try:
        return [field.text.decode() for field in fields(head, header, dialect)]
    except UnicodeDecodeError as error:
        raise SourceMisread(
            f"The header is not UTF-8: byte 0x{error.object[error.start]:02x}.",
            where=where,
            do="Declare the `encoding` of the file, for example cp1252.",
        ) from error


def _layout(
    dialect: Dialect,
    names: Sequence[str],
    start: int,
    line: int,
    *,
    options: CsvOptions,
    where: str,
    warn: Callable[[str], None],
) -> Layout:
    if len(names) > options.max_columns:
        raise SourceMisread(
            f"The file has {len(names)} columns; `max_columns` is {options.max_columns}.",
            where=where,
            do="A database table holds about 1600: split the file, or raise `max_columns` for a destination that can.",
        )
    sources = _distinct(_named(names, where, warn), options, where)
    return Layout(dialect, tuple(sources), tuple(column_names(sources)), start, line)


def _named(names: Sequence[str], where: str, warn: Callable[[str], None]) -> list[str]:
    """The names, with one for each column that has none; none is that of our own column."""
    nameless = [place for place, name in enumerate(names, start=1) if not name.strip()]
    if nameless:
        listed = ", ".join(f"column_{place}" for place in nameless[:_SHOWN_CHARACTERS])
        warn(f"{where}: the header has columns without a name, which are called {listed}.")
    named = [name if name.strip() else f"column_{place}" for place, name in enumerate(names, start=1)]
    return [column_name(name) if name == ROW_NUMBER else name for name in named]


def _distinct(names: list[str], options: CsvOptions, where: str) -> list[str]:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice and not options.dedupe_headers:
        raise SourceMisread(
            f"The header has {', '.join(map(repr, twice))} more than once.",
            where=where,
            do="Give each column a name of its own, or set `dedupe_headers: true`, which numbers them.",
        )
    taken, distinct = set(names), []
    seen: set[str] = set()
    for name in names:
        number, unique = 2, name
        while unique in seen or (unique != name and unique in taken):
            unique, number = f"{name}_{number}", number + 1
        seen.add(unique)
        distinct.append(unique)
    return distinct


def _after_lines(head: bytes, count: int) -> tuple[int, int]:
    """Where the line after the first `count` begins, and its number from 1."""
    start = 0
    for number in range(count):
        ends = [place for place in (head.find(b"\n", start), head.find(b"\r", start)) if place >= 0]
        if not ends:
            return len(head), number + 1
        start = min(ends) + (2 if head.startswith(b"\r\n", min(ends)) else 1)
    return start, count + 1


def _line_after(head: bytes, record: Record) -> int:
    return record.line + max(line_ends(head[record.start : record.after]), 1)
