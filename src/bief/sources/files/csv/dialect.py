"""How the bytes of a CSV file are to be understood, once that is known: the marks, and the patterns made of them.

Made by `layout`, used by all that looks at bytes: `blocks`, `scanning`, `salvage` and `texts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bief.batches.arrow import arrow, pc


@dataclass(frozen=True)
class Dialect:
    """The marks of a file, one ASCII byte each; `quote`, `escape` and `comment` are empty where there is none."""

    delimiter: bytes
    quote: bytes = b'"'
    escape: bytes = b""
    comment: bytes = b""

    @cached_property
    def quoted_field(self) -> re.Pattern[bytes]:
        """A field in quotes, from its first to its last quote; group 1 is its content."""
        quote, escape = re.escape(self.quote), re.escape(self.escape)
        if not escape:
            return re.compile(rb"%b([^%b]*+(?:%b%b[^%b]*+)*+)%b" % ((quote,) * 6))
        return re.compile(
            rb"%b((?:[^%b%b]|%b.|%b%b)*+)%b" % (quote, quote, escape, escape, quote, quote, quote), re.DOTALL
        )

    @cached_property
    def plain_field(self) -> re.Pattern[bytes]:
        """A field without quotes around it."""
        delimiter, escape = re.escape(self.delimiter), re.escape(self.escape)
        if not escape:
            return re.compile(rb"[^%b\r\n]*+" % delimiter)
        return re.compile(rb"(?:[^%b\r\n%b]|%b.)*+" % (delimiter, escape, escape), re.DOTALL)

    @cached_property
    def _regular(self) -> str:
        """The whole of a text in which each quote stands where RFC 4180 has it (RE2 reads it at 600 MB/s)."""
        quote, ends = re.escape(self.quote.decode()), re.escape(self.delimiter.decode()) + r"\r\n"
        quoted = f"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}"
        outside = f"(?:[^{quote}]*[{ends}])?"
        return rf"\A{outside}(?:{quoted}[{ends}]{outside})*(?:{quoted}|[^{quote}]*)\z"

    def is_regular(self, data: bytes, end: int) -> bool:
        """Whether `data[:end]` is made of complete records, and no quote stands where it should not.

        In regular data a line end outside quotes ends a record, and the reader of Arrow understands it as we do.
        """
        if self.escape and data.find(self.escape, 0, end) >= 0:
            return False
        if self.comment and self._has_comment(data):
            return False
        if not self.quote or data.find(self.quote, 0, end) < 0:
            return True
        return bool(pc.match_substring_regex(_as_one_value(data, end), self._regular)[0].as_py())

    def _has_comment(self, data: bytes) -> bool:
        return data.startswith(self.comment) or b"\n" + self.comment in data or b"\r" + self.comment in data


def _as_one_value(data: bytes, end: int) -> Any:
    """`data[:end]` as a binary array of one value, without a copy."""
    offsets = (0).to_bytes(8, "little") + end.to_bytes(8, "little")
    buffers = [None, arrow.py_buffer(offsets), arrow.py_buffer(data)]
    return arrow.Array.from_buffers(arrow.large_binary(), 1, buffers)
