"""JSON lines: one record on each line. Implements `reading.FormatReader`.

Lines go to `batches.rows` as they stand, some megabytes at a time; a line that is no record is a rejected row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec
import pyarrow as pa

from bief.batches.batch import ROW_NUMBER, Provenance, RejectedRow
from bief.batches.rows import MAX_RECORD_BYTES, RecordReader
from bief.errors import SourceMisread
from bief.sources.files.reading import Chunk, Content

_BLOCK_BYTES: Final = 8 << 20
_SAMPLE_BYTES: Final = 1 << 16
_SHOWN_BYTES: Final = 64 << 10
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_ANY_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True)
class _Block:
    """Whole lines, and whether the last one has no end; or the beginning of one line that is too long."""

    text: bytes
    is_open: bool = False
    is_too_long: bool = False


class JsonLinesReader:
    """Reads the files of one stream. Safe to share by threads."""

    def __init__(self, declared: Mapping[str, pa.DataType], *, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._max_record_bytes = max_record_bytes
        self._records = RecordReader(declared, max_record_bytes=max_record_bytes)
        self._lock = threading.Lock()

    def chunks(self, content: Content) -> Iterator[Chunk]:
        line = content.lines_before + 1
        with closing(content.open()) as stream:
            for block in _blocks(stream, self._max_record_bytes):
                chunk, lines = self._chunk(block, content.name, line)
                yield chunk
                line += lines

    def sample(self, content: Content, rows: int) -> Chunk:
        text = b""
        with closing(content.open()) as stream:
            while text.count(b"\n") <= rows and (piece := stream.read(_SAMPLE_BYTES)):
                text += piece
                if len(text) > self._max_record_bytes:
                    break
        head = b"\n".join(text.split(b"\n")[:rows])
        return self._chunk(_Block(head), content.name, content.lines_before + 1)[0]

    def _chunk(self, block: _Block, name: str, first_line: int) -> tuple[Chunk, int]:
        """The records of a block, and how many lines it has."""
        if block.is_too_long:
            return self._too_long(block, name, first_line), 1
        text = block.text
        if first_line == 1:
            if text.startswith(_UTF16_MARKS):
                raise SourceMisread("The file is UTF-16; JSON is UTF-8.", where=name, do="Convert it to UTF-8.")
            text = text.removeprefix(_UTF8_MARK)
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        places = [place for place, line in enumerate(lines) if line and not line.isspace()]
        texts = lines if len(places) == len(lines) else [lines[place] for place in places]
        if block.is_open and texts and places[-1] == len(lines) - 1:
            _require_whole(texts[-1], f"{name}, line {first_line + len(lines) - 1}")

        def origin(index: int) -> str:
            return f"{name}, line {first_line + places[index]}"

        with self._lock:
            read = self._records.read(texts, origin)
        provenance = Provenance(raw=lambda index: texts[index].decode("utf-8", "backslashreplace"), origin=origin)
        return Chunk(read.rows, read.rejected, provenance, len(block.text)), len(lines)

    def _too_long(self, block: _Block, name: str, line: int) -> Chunk:
        rejected = RejectedRow(
            origin=f"{name}, line {line}",
            rule="too_large",
            reason=f"the record has more than {self._max_record_bytes} bytes",
            raw=block.text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
        )
        return Chunk(no_rows(), [rejected])


def no_rows() -> pa.Table:
    """A table of no rows, for a chunk of which nothing could be read."""
    return pa.table({ROW_NUMBER: pa.array([], pa.int64())})


def _blocks(stream: BinaryIO, max_line_bytes: int) -> Iterator[_Block]:
    """The text in blocks that end at the end of a line."""
    held: list[bytes] = []
    held_bytes = 0
    is_skipping = False
    while piece := stream.read(_BLOCK_BYTES):
        if is_skipping:
            _, newline, piece = piece.partition(b"\n")
            is_skipping = not newline
        end = piece.rfind(b"\n") + 1
        if end:
            yield _Block(b"".join([*held, piece[:end]]))
            held, held_bytes = [piece[end:]], len(piece) - end
        elif piece:
            held.append(piece)
            held_bytes += len(piece)
            if held_bytes > max_line_bytes:
                yield _Block(b"".join(held), is_too_long=True)
                held, held_bytes, is_skipping = [], 0, True
    if held_bytes:
        yield _Block(b"".join(held), is_open=True)


def _require_whole(text: bytes, where: str) -> None:
    """Raises SourceMisread if a last line without its end is only the beginning of a record."""
    try:
        _ANY_VALUE.decode(text)
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise SourceMisread(
                "The file ends in the middle of a record: it was cut off, or is still being written.",
                where=where,
                do="Have it written again, or declare `tail: true` if it grows, or `settle_seconds`.",
            ) from None
    except (RecursionError, UnicodeDecodeError):
        return


def one_line_each(records: Sequence[bytes | msgspec.Raw]) -> list[bytes]:
    """JSON texts without line breaks: in JSON that was read without error those can only be white space."""
    texts = [bytes(record) for record in records]
    return [
        text.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in text or b"\r" in text else text for text in texts
    ]
