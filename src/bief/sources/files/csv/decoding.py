"""The bytes of a file as UTF-8, whatever they were written in. Called by `reader`, read by `blocks`.

A byte that means nothing in the declared encoding goes on as it is, so that `salvage` rejects the row it stands in.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO, Final, Protocol

from bief.errors import SourceMisread

_MARKS: Final = (
    # The mark of UTF-16 is the beginning of that of UTF-32.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK: Final = 4
_LOOKED_AT: Final = 512


class Utf8Stream(Protocol):
    """Bytes of UTF-8, from the first to the last."""

    def read(self, size: int) -> bytes:
        """About `size` bytes; none at the end."""
        ...


def utf8(stream: BinaryIO, declared: str | None, where: str) -> Utf8Stream:
    """The content of `stream` as UTF-8 without its byte order mark. `declared`: the name of an encoding.

    Raises `SourceMisread` where the file looks like UTF-16 that nobody declared.
    """
    head = _read(stream, _LOOKED_AT)
    mark, marked = next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", ""))
    if declared is None and not mark and _looks_like_utf_16(head):
        raise SourceMisread(
            "The file looks like UTF-16 without the mark that UTF-16 begins with.",
            where=where,
            do="Declare `encoding: utf-16-le` (or utf-16-be).",
        )
    encoding = declared or marked or "utf-8"
    if encoding.startswith(("utf-16", "utf-32", "utf-8")) and mark and marked.startswith(encoding[:6]):
        encoding, head = marked, head[len(mark) :]
    if encoding.startswith("utf-8") or encoding == "ascii":
        return _Plain(stream, head)
    return _Decoded(stream, head, encoding, where)


def _read(stream: BinaryIO, size: int) -> bytes:
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


def _looks_like_utf_16(head: bytes) -> bool:
    """Whether every other byte is NUL, as in Latin text."""
    pairs = len(head) // 2
    return pairs >= _LONGEST_MARK and max(head[::2].count(0), head[1::2].count(0)) > pairs * 0.9


class _Plain:
    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream, self._head = stream, head

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._stream.read(size)
        head, self._head = self._head[:size], self._head[size:]
        return head


class _Decoded:
    def __init__(self, stream: BinaryIO, head: bytes, encoding: str, where: str) -> None:
        self._stream, self._head, self._encoding, self._where = stream, head, encoding, where
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def read(self, size: int) -> bytes:
        text, is_last = "", False
        try:
            while not text and not is_last:
                data = self._head[:size] or self._stream.read(size)
                self._head, is_last = self._head[size:], not data
                text = self._decoder.decode(data, final=is_last)
            return text.encode("utf-8", "surrogateescape")
        except UnicodeError as error:
            raise SourceMisread(
                f"The file is not {self._encoding}: {getattr(error, 'reason', 'bytes that mean nothing in it')}.",
                where=self._where,
                do="Declare its `encoding`.",
            ) from error
