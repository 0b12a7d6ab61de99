"""Compressed files as streams of what is inside, with a limit on how far they may swell; memory stays flat.

Nothing ends silently: a file that stops early, whose checksum is wrong or that goes on with something else after its
end is an error while it is read, and then nothing of it is loaded.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from bief.batches.arrow import arrow
from bief.errors import SourceMisread

_STEP_BYTES: Final = 1 << 20
_INPUT_BYTES: Final = 1 << 18
_GZIP_MAGIC: Final = b"\x1f\x8b"
# Small files may do as they like: a few kilobytes of zeros are no bomb.
_RATIO_MATTERS_FROM_BYTES: Final = 16 << 20
_EXPORT_AGAIN: Final = "Nothing of it was loaded. Have it written again."


@dataclass(frozen=True)
class Swelling:
    """How many bytes may come out of `stored_bytes` compressed ones."""

    stored_bytes: int
    max_bytes: int
    max_ratio: int

    def limited(self, pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
        """The same pieces, up to the limit. Raises SourceMisread there."""
        ratio_limit = max(_RATIO_MATTERS_FROM_BYTES, self.stored_bytes * self.max_ratio)
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self.max_bytes:
                raise SourceMisread(
                    f"The file is larger than {self.max_bytes} bytes when it is decompressed.",
                    where=name,
                    do="If it is meant to be that large, raise `limits.max_bytes` of the source.",
                )
            if size > ratio_limit:
                raise SourceMisread(
                    f"The file swells more than {self.max_ratio} times when it is decompressed, like a zip bomb.",
                    where=name,
                    do="If it is meant to be so, raise `limits.max_ratio` of the source.",
                )
            yield piece


def gunzipped(stored: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of a gzip file: all its members, one after the other; zeros after the last one are padding."""
    rest = stored.read(_INPUT_BYTES)
    if not rest.startswith(_GZIP_MAGIC):
        raise SourceMisread(
            "The file is not gzip, as its name or `compression` says.", where=name, do="Check `compression`."
        )
    while rest:
        decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not decompressor.eof:
            try:
                piece = decompressor.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise damaged("gzip", name, str(error).rpartition(": ")[2]) from None
            rest = decompressor.unconsumed_tail
            if piece:
                yield piece
            if not rest and not decompressor.eof:
                rest = stored.read(_INPUT_BYTES)
                if not rest and not piece:
                    raise cut_off("gzip", name)
        rest = _next_member(decompressor.unused_data, stored, name)


def _next_member(rest: bytes, stored: BinaryIO, name: str) -> bytes:
    """What follows a member: another one, or nothing."""
    rest = rest or stored.read(_INPUT_BYTES)
    if rest[:1] == b"\0":
        while rest and not rest.strip(b"\0"):
            rest = stored.read(_INPUT_BYTES)
        if rest:
            raise SourceMisread("Something follows the end of the gzip data.", where=name, do=_EXPORT_AGAIN)
        return b""
    if len(rest) == 1:
        rest += stored.read(_INPUT_BYTES)
    if rest and not rest.startswith(_GZIP_MAGIC):
        raise SourceMisread("Something follows the end of the gzip data.", where=name, do=_EXPORT_AGAIN)
    return rest


def unzstd(stored: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of a zstd file, all its frames."""
    if not stored.read(1):
        raise cut_off("zstd", name)
    stored.seek(0)
    try:
        with arrow.CompressedInputStream(arrow.PythonFile(stored, "r"), "zstd") as stream:
            while piece := stream.read(_STEP_BYTES):
                yield piece
    except OSError as error:
        if "Truncated" in str(error):
            raise cut_off("zstd", name) from None
        raise damaged("zstd", name, str(error).partition("failed: ")[2] or str(error)) from None


def damaged(kind: str, name: str, detail: str) -> SourceMisread:
    return SourceMisread(f"The {kind} data is damaged ({detail}).", where=name, do=_EXPORT_AGAIN)


def cut_off(kind: str, name: str) -> SourceMisread:
    return SourceMisread(f"The {kind} data ends too early: the file was cut off.", where=name, do=_EXPORT_AGAIN)


def stream_of(pieces: Callable[[], Iterator[bytes]]) -> BinaryIO:
    """Pieces of bytes as a stream. Closing it closes the iterator."""
    return cast("BinaryIO", io.BufferedReader(_Pieces(pieces()), _STEP_BYTES))


def opened_pieces(
    opening: Callable[[], BinaryIO], decompressed: Callable[[BinaryIO, str], Iterator[bytes]], name: str
) -> Iterator[bytes]:
    """What a decompressor makes of a file that is open as long as it is read."""
    with closing(opening()) as stored:
        yield from decompressed(stored, name)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._rest = memoryview(b"")
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        super().close()
