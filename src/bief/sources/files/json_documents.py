"""JSON documents: a list of records, at the top or somewhere inside. Implements `reading.FormatReader`.

The document is decoded once, natively, by a type that leaves each record as its own text. Where one record is no
JSON, the others are saved (`batches.salvage`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.batch import Provenance, RejectedRow
from bief.batches.rows import RecordReader
from bief.batches.salvage import NotSalvageable, salvaged
from bief.errors import SourceMisread
from bief.sources.files.json_lines import one_line_each
from bief.sources.files.json_options import JsonOptions
from bief.sources.files.reading import Chunk, Content

_CHUNK_RECORDS: Final = 20_000
_SHOWN_BYTES: Final = 64 << 10
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_CHECK_RECORDS: Final = "Check `json.records` of the stream."
_ANY_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)
_BadRecords = Sequence[RejectedRow]


class JsonDocumentReader:
    """Reads the files of one stream. Safe to share by threads."""

    def __init__(self, options: JsonOptions, declared: Mapping[str, pa.DataType]) -> None:
        self._options = options
        self._path = tuple(options.records.split(".")) if options.records else ()
        self._decoder = _decoder(self._path)
        self._reader = RecordReader(declared)
        self._lock = threading.Lock()

    def chunks(self, content: Content) -> Iterator[Chunk]:
        text = self._text(content)
        records, bad = self._records(text, content.name)
        share = len(text) / max(len(records), 1)
        for start in range(0, max(len(records), 1), _CHUNK_RECORDS):
            part = records[start : start + _CHUNK_RECORDS]
            chunk = self._chunk(part, content.name, start, () if start else bad)
            yield Chunk(chunk.rows, chunk.rejected, chunk.provenance, round(share * len(part)))

    def sample(self, content: Content, rows: int) -> Chunk:
        records, _ = self._records(self._text(content), content.name)
        return self._chunk(records[:rows], content.name, 0, ())

    def _text(self, content: Content) -> bytes:
        limit = self._options.max_document_bytes
        with closing(content.open()) as stream:
            text = stream.read(limit + 1)
        if len(text) > limit:
            raise SourceMisread(
                f"The document has more than {limit} bytes, and a JSON document is held in memory as a whole.",
                where=content.name,
                do="Have it written as JSON lines, which may be of any size, or raise `json.max_document_bytes`.",
            )
        return text.removeprefix(_UTF8_MARK)

    def _records(self, text: bytes, name: str) -> tuple[Sequence[bytes | msgspec.Raw], _BadRecords]:
        """The records as they are written, and those that are no JSON."""
        try:
            return _inside(self._decoder.decode(text), len(self._path)), ()
        except msgspec.ValidationError as error:
            if not self._path and text.lstrip()[:1] == b"{":
                return [text], ()
            wanted = f"`{self._options.records}`" if self._path else "The document"
            raise SourceMisread(f"{wanted} is no list of records: {error}.", where=name, do=_CHECK_RECORDS) from None
        except (msgspec.DecodeError, RecursionError) as error:
            reason = str(error) or "it is nested too deeply"
        try:
            rest, good, bad = salvaged(text, self._path)
            _ANY_VALUE.decode(rest)
        except (NotSalvageable, msgspec.MsgspecError, RecursionError):
            raise SourceMisread(
                f"The file is not JSON: {reason}.", where=name, do="Nothing of it was loaded."
            ) from None
        return good, [
            RejectedRow(
                origin=f"{name}, record {each.index + 1}",
                rule="invalid_json",
                reason=each.reason,
                raw=each.text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
            )
            for each in bad
        ]

    def _chunk(self, records: Sequence[bytes | msgspec.Raw], name: str, start: int, bad: _BadRecords) -> Chunk:
        texts = one_line_each(records)

        def origin(index: int) -> str:
            return f"{name}, record {start + index + 1}"

        with self._lock:
            read = self._reader.read(texts, origin)
        provenance = Provenance(raw=lambda index: texts[index].decode("utf-8", "backslashreplace"), origin=origin)
        return Chunk(read.rows, [*bad, *read.rejected], provenance)


def _decoder(path: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """Decodes the objects around the list of records, and the records as their own texts."""
    inner: Any = list[msgspec.Raw]
    for key in reversed(path):
        inner = msgspec.defstruct("Around", [("inner", inner)], rename={"inner": key})
    return msgspec.json.Decoder(inner)


def _inside(decoded: Any, depth: int) -> Sequence[msgspec.Raw]:
    for _ in range(depth):
        decoded = decoded.inner
    found: Sequence[msgspec.Raw] = decoded
    return found
