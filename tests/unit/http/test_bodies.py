"""Compressed bodies: whole, cut, damaged, several in one, too large."""

import gzip
import os
import zlib

import pytest

from bief.http.bodies import BodyCut, BodyWrong, decompressed, text_bytes

BODY = b'{"items": [1, 2, 3]}' * 50
LIMIT = 1 << 20


def _zipped(data: bytes) -> bytes:
    # Without the time of day: the names of tests are made of their values, and must be the same in each process.
    return gzip.compress(data, mtime=0)


PACKED = _zipped(BODY)


def bare_deflate(body):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", PACKED),
        ("GZIP", PACKED),
        ("x-gzip", PACKED),
        ("deflate", zlib.compress(BODY)),
        ("deflate", bare_deflate(BODY)),
        ("gzip, gzip", _zipped(PACKED)),
        ("gzip", _zipped(BODY[:100]) + _zipped(BODY[100:])),
        ("gzip", PACKED + b"\0" * 512),
    ],
)
def test_whole_bodies_come_out(coding, body):
    assert decompressed(body, coding, LIMIT) == BODY


@pytest.mark.parametrize("length", [1, 5, 10, len(PACKED) // 2, len(PACKED) - 8, len(PACKED) - 1])
def test_a_gzip_body_cut_anywhere_is_noticed(length):
    with pytest.raises(BodyCut):
        decompressed(PACKED[:length], "gzip", LIMIT)


def test_a_second_member_cut_is_noticed():
    with pytest.raises(BodyCut):
        decompressed(PACKED + _zipped(BODY)[:-3], "gzip", LIMIT)


def test_a_deflate_body_cut_is_noticed():
    with pytest.raises(BodyCut):
        decompressed(zlib.compress(BODY)[:-3], "deflate", LIMIT)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", BODY),
        ("gzip", PACKED + b"garbage"),
        ("gzip", PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]),
        ("deflate", zlib.compress(BODY) + b"garbage"),
        ("br", PACKED),
    ],
)
def test_a_wrong_body_is_refused(coding, body):
    with pytest.raises(BodyWrong):
        decompressed(body, coding, LIMIT)


def test_a_body_may_not_grow_beyond_the_limit():
    with pytest.raises(BodyWrong, match="larger than 1000 bytes"):
        decompressed(_zipped(os.urandom(2000)), "gzip", 1000)


def test_a_bomb_is_stopped_by_its_ratio():
    bomb = _zipped(b"\0" * (64 << 20))

    with pytest.raises(BodyWrong, match="swells more than 200 times"):
        decompressed(bomb, "gzip", 1 << 30)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("é".encode(), ""),
        ("é".encode(), "application/json; charset=UTF-8"),
        (b"\xef\xbb\xbf" + "é".encode(), "application/json"),
        ("é".encode("latin-1"), "application/json; charset=ISO-8859-1"),
        ("é".encode("utf-16"), "application/json; charset=utf-16"),
    ],
)
def test_text_becomes_utf_8_without_mark(body, content_type):
    assert text_bytes(body, content_type) == "é".encode()


@pytest.mark.parametrize(("body", "charset"), [(b"x", "klingon"), (b"\xd8", "utf-16")])
def test_text_in_no_known_character_set_is_refused(body, charset):
    with pytest.raises(BodyWrong, match=charset):
        text_bytes(body, f"application/json; charset={charset}")
