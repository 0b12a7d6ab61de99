"""Files that grow at their end: which part of them is new, up to the end of the last whole line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from bief.errors import SourceChanged
from bief.sources.files.contents import OnDisk
from bief.sources.files.decompression import stream_of
from bief.sources.files.loaded import Entry
from bief.sources.files.reading import Content

_STEP_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class GrownPart:
    """What was added, if anything, and what to remember once it is loaded."""

    content: Content | None
    entry: Entry
    was_replaced: bool


def grown_part(found: OnDisk, known: Entry | None) -> GrownPart:
    """The whole lines after those that were loaded; all of them if the file does not begin as it did."""
    start = lines = 0
    hashed = hashlib.sha256()
    was_replaced = False
    if known is not None and known.size_bytes:
        begins_alike = found.size_bytes >= known.size_bytes and found.digest(known.size_bytes) == known.digest
        start, lines = (known.size_bytes, known.lines) if begins_alike else (0, 0)
        was_replaced = not begins_alike
    end = _end_of_lines(found, start)
    added = 0
    with found.open() as stream:
        for piece in _pieces(stream, start, found.file.name):
            hashed.update(piece)
        for piece in _pieces(stream, end - start, found.file.name):
            hashed.update(piece)
            added += piece.count(b"\n")
    stamp = found.file.stamp if found.file.is_settled else ""
    entry = Entry(stamp, hashed.hexdigest(), end, lines + added)
    if end == start:
        return GrownPart(None, entry, was_replaced)

    def pieces() -> Iterator[bytes]:
        with found.open() as stream:
            stream.seek(start)
            yield from _pieces(stream, end - start, found.file.name)

    content = Content(
        found.file.name, entry.digest, lambda: stream_of(pieces), size_bytes=end - start, lines_before=lines
    )
    return GrownPart(content, entry, was_replaced)


def _end_of_lines(found: OnDisk, start: int) -> int:
    """Where the last line ends that has an end; `start` if there is none after it."""
    end = found.size_bytes
    with found.open() as stream:
        while end > start:
            begin = max(start, end - _STEP_BYTES)
            stream.seek(begin)
            place = stream.read(end - begin).rfind(b"\n")
            if place >= 0:
                return begin + place + 1
            end = begin
    return start


def _pieces(stream: BinaryIO, count: int, name: str) -> Iterator[bytes]:
    """The next bytes of a stream. Raises SourceChanged if there are not so many."""
    while count > 0:
        piece = stream.read(min(_STEP_BYTES, count))
        if not piece:
            raise SourceChanged("The file became shorter while it was read.", where=name)
        count -= len(piece)
        yield piece
