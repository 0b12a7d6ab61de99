"""Saves the good records of a body that is not quite JSON: one NaN or one half of a surrogate pair must not cost the
other records. Called by sources after the native decoder has refused a page or a file.

The structure (brackets, commas, texts) must be sound: a body that is cut off is not saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,"]', re.DOTALL)
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89abAB]", re.DOTALL)
_OPENING: Final = (b"[", b"{")
_CLOSING: Final = (b"]", b"}")
_VALIDATOR: Final = msgspec.json.Decoder(msgspec.Raw)


class NotSalvageable(Exception):
    """The structure is broken, or the list is not where it is declared."""


@dataclass(frozen=True)
class BadRecord:
    """A record that is not JSON: its place in the list, its text and what is wrong."""

    index: int
    text: bytes
    reason: str


def salvaged(body: bytes, path: tuple[str, ...]) -> tuple[bytes, list[bytes], tuple[BadRecord, ...]]:
    """The body with an empty list at `path`, the good records of that list on one line each, and the bad ones."""
    start = _value_start(body, path)
    spans, end = _elements(body, start)
    good: list[bytes] = []
    bad: list[BadRecord] = []
    for index, (begin, stop) in enumerate(spans):
        text = body[begin:stop].strip()
        reason = _problem(text)
        if reason:
            bad.append(BadRecord(index, text, reason))
        else:
            good.append(text.replace(b"\n", b" ").replace(b"\r", b" "))
    return body[:start] + b"[]" + body[end:], good, tuple(bad)


def _problem(text: bytes) -> str:
    try:
        text.decode()
        _VALIDATOR.decode(text)
    except UnicodeDecodeError as error:
        return f"byte 0x{text[error.start]:02x} at {error.start} is not UTF-8"
    except msgspec.MsgspecError as error:
        # The decoder takes the end of a text for the end of its input when the second half of a pair is missing.
        return "half of a surrogate pair" if _HALF_PAIR.search(text) and "truncated" in str(error) else str(error)
    except RecursionError:
        return "it is nested too deeply"
    return ""


def _tokens(body: bytes, start: int) -> Iterator[re.Match[bytes]]:
    for token in _TOKEN.finditer(body, start):
        if token[0] == b'"':
            raise NotSalvageable
        yield token


def _value_start(body: bytes, path: tuple[str, ...]) -> int:
    """Where the value at `path` begins."""
    position = 0
    for key in path:
        position = _value_of_key(body, position, key)
    return _skip_space(body, position)


def _value_of_key(body: bytes, start: int, key: str) -> int:
    """Where the value of a key of the object at `start` begins."""
    start = _skip_space(body, start)
    if body[start : start + 1] != b"{":
        raise NotSalvageable
    depth = 0
    last = b""
    for token in _tokens(body, start):
        text = token[0]
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
            if depth == 0:
                break
        elif text == b":" and depth == 1 and _same(last, key):
            return token.end()
        last = text
    raise NotSalvageable


def _same(text: bytes, key: str) -> bool:
    try:
        return bool(msgspec.json.decode(text) == key)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _elements(body: bytes, start: int) -> tuple[list[tuple[int, int]], int]:
    """The spans of the elements of the list at `start`, and where the list ends."""
    if body[start : start + 1] != b"[":
        raise NotSalvageable
    spans: list[tuple[int, int]] = []
    depth = 0
    begin = start + 1
    for token in _tokens(body, start):
        text = token[0]
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
        if depth == 0 or (text == b"," and depth == 1):
            if text == b"," or spans or body[begin : token.start()].strip():
                spans.append((begin, token.start()))
            begin = token.end()
        if depth == 0:
            return spans, token.end()
    raise NotSalvageable


def _skip_space(body: bytes, start: int) -> int:
    while body[start : start + 1] in (b" ", b"\t", b"\n", b"\r"):
        start += 1
    return start
