"""Texts of other people, made safe to print: one line, no control characters, no writing direction tricks.

Called by `logs` and by everything in the command line that shows a value, a name or an error.
"""

from __future__ import annotations

import re
from typing import Final

# C0 and C1 controls (ESC starts ANSI codes), line and paragraph separators, bidirectional overrides, lone surrogates.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, max_characters: int | None = None) -> str:
    """The text on one line, with unsafe characters written out (`\\\\x1b`) and cut if it is longer than wanted."""
    if max_characters is not None and len(text) > max_characters:
        text = text[: max_characters - 1] + "…"
    return _UNSAFE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")  # noqa: PLR2004


def printable_json(text: str) -> str:
    """JSON on one line, with its unsafe characters as the escapes that JSON has for them."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
