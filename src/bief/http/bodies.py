"""From the bytes of an answer to its text: decompression with limits, and the character set.

Called by `http.transport` and by whoever decodes JSON. Silent in no case: a compressed body that ends early, goes on
after its end or swells beyond the limit is an error (`zlib` by itself would keep quiet about the first two).
"""

from __future__ import annotations

import codecs
import zlib
from email.message import Message
from typing import Final

_GZIP_MAGIC: Final = b"\x1f\x8b"
_STEP_BYTES: Final = 1 << 20
# Deflate cannot do better than 1032:1, honest JSON rarely better than 50:1. Small bodies may do as they like.
_MOST_RATIO: Final = 200
_RATIO_MATTERS_FROM_BYTES: Final = 16 << 20
_ENCODINGS_ASKED: Final = "gzip, deflate"
ACCEPT_ENCODING: Final = _ENCODINGS_ASKED


class BodyCut(Exception):
    """The compressed body ends before its end."""


class BodyWrong(Exception):
    """The body is not what its headers say, or swells beyond all limits."""


def decompressed(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The body as it was before the codings named in the header `Content-Encoding`. Raises BodyCut or BodyWrong."""
    for coding in reversed([each.strip().lower() for each in content_encoding.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding in ("gzip", "x-gzip"):
            body = _gunzipped(body, max_bytes)
        elif coding == "deflate":
            body = _inflated(body, max_bytes)
        else:
            raise BodyWrong(f"it is coded as {coding[:40]!r}, though only {_ENCODINGS_ASKED} was asked for")
    return body


def text_bytes(body: bytes, content_type: str) -> bytes:
    """The body as UTF-8 without a byte order mark. Raises BodyWrong.

    Without a declared character set the bytes stay as they are: JSON is UTF-8.
    """
    charset = _charset(content_type)
    if charset in ("", "utf-8", "utf8", "us-ascii", "ascii"):
        return body.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode(charset).removeprefix("\ufeff").encode()
    except (LookupError, UnicodeError):
        raise BodyWrong(f"it is not text in the character set {charset[:40]!r} that its Content-Type names") from None


def _charset(content_type: str) -> str:
    if "charset" not in content_type.lower():
        return ""
    message = Message()
    message["Content-Type"] = content_type
    return (message.get_content_charset("") or "").lower()


def _gunzipped(body: bytes, max_bytes: int) -> bytes:
    """All members of a gzip body; zeros after the last one are padding."""
    if not body.startswith(_GZIP_MAGIC):
        if _GZIP_MAGIC.startswith(body):
            raise BodyCut("it has no gzip data")
        raise BodyWrong("it is declared as gzip and is not")
    pieces: list[bytes] = []
    rest, size = body, 0
    while rest:
        if not rest.startswith(_GZIP_MAGIC):
            raise BodyWrong("something follows its gzip data")
        piece, rest = _one_stream(rest, zlib.MAX_WBITS | 16, max_bytes - size, len(body))
        pieces.append(piece)
        size += len(piece)
        rest = rest if rest.strip(b"\0") else b""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _inflated(body: bytes, max_bytes: int) -> bytes:
    """`deflate` means the zlib format, but some servers send the bare stream."""
    if not body:
        raise BodyCut("it has no deflate data")
    try:
        piece, rest = _one_stream(body, zlib.MAX_WBITS, max_bytes, len(body))
    except BodyWrong:
        piece, rest = _one_stream(body, -zlib.MAX_WBITS, max_bytes, len(body))
    if rest.strip(b"\0"):
        raise BodyWrong("something follows its deflate data")
    return piece


def _one_stream(body: bytes, window_bits: int, max_bytes: int, compressed_bytes: int) -> tuple[bytes, bytes]:
    """One compressed stream, and what follows it."""
    decompressor = zlib.decompressobj(window_bits)
    pieces: list[bytes] = []
    rest, size = body, 0
    ratio_limit = max(_RATIO_MATTERS_FROM_BYTES, compressed_bytes * _MOST_RATIO)
    while not decompressor.eof:
        try:
            piece = decompressor.decompress(rest, _STEP_BYTES)
        except zlib.error as error:
            raise BodyWrong(f"its compressed data is damaged ({error})") from None
        if not piece and not decompressor.eof:
            raise BodyCut("its compressed data ends too early")
        size += len(piece)
        if size > max_bytes:
            raise BodyWrong(f"it is larger than {max_bytes} bytes when decompressed")
        if size > ratio_limit:
            raise BodyWrong(f"it swells more than {_MOST_RATIO} times when decompressed")
        pieces.append(piece)
        rest = decompressor.unconsumed_tail
    return b"".join(pieces), decompressor.unused_data
