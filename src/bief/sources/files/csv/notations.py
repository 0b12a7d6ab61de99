"""Numbers and times that are not written as in English programs and ISO 8601, where the project file says how they are.

Called by `columns`. Nothing here guesses: `1.234,5` is a number only where the marks are declared, and `31/12/2024` a
date only where its pattern is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.schema import DATE, DATETIME, TIMESTAMP


@dataclass(frozen=True)
class NumberMarks:
    """The marks of numbers. With the English ones, and none between thousands, numbers are as Arrow reads them."""

    decimal: str
    thousands: str | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be done."""
        return self.decimal == "." and self.thousands is None

    def plain(self, texts: Column) -> tuple[Column, Column]:
        """The texts, numbers among them rewritten in plain notation; and a mask that is true where one is a number."""
        is_number = pc.fill_null(pc.match_substring_regex(texts, self._pattern), False)  # noqa: FBT003 - pyarrow
        rewritten = pc.replace_substring(texts, self.thousands, "") if self.thousands else texts
        rewritten = pc.replace_substring(rewritten, self.decimal, ".")
        return pc.if_else(is_number, rewritten, texts), is_number

    @cached_property
    def _pattern(self) -> str:
        decimal = re.escape(self.decimal)
        grouped = rf"|[1-9]\d{{0,2}}(?:{re.escape(self.thousands)}\d{{3}})+" if self.thousands else ""
        return rf"\A-?(?:0|[1-9]\d*{grouped})(?:{decimal}\d+)?\z"


@dataclass(frozen=True)
class TimeFormat:
    """A `strptime` pattern. Times with a zone (`%z`) become moments in UTC."""

    pattern: str

    @property
    def type(self) -> pa.DataType:
        """What a text in that pattern is: a date, a wall time or a moment."""
        if "%z" in self.pattern:
            return TIMESTAMP
        return DATETIME if re.search(r"%[HIMSfcXT]", self.pattern) else DATE

    def read(self, texts: Column) -> Column:
        """The values; null where a text is not in that pattern, or names a time that does not exist."""
        if self.type == TIMESTAMP or "%f" in self.pattern:
            return self._one_by_one(texts)
        parsed = pc.strptime(texts, format=self.pattern, unit="s", error_is_null=True)
        # Arrow lets the 31st of February pass for a day of March: what it writes again must be what it read.
        is_right = pc.fill_null(pc.equal(pc.strftime(parsed, format=self.pattern), texts), False)  # noqa: FBT003 - pyarrow
        values = pc.if_else(is_right, parsed.cast(self.type), arrow.scalar(None, self.type))
        is_doubtful = pc.and_not(pc.is_valid(texts), is_right)
        return pc.replace_with_mask(values, is_doubtful, self._one_by_one(texts.filter(is_doubtful)))

    def _one_by_one(self, texts: Column) -> Column:
        return arrow.array([None if text is None else self._one(text) for text in texts.to_pylist()], self.type)

    def _one(self, text: str) -> Any:
        try:
            moment = datetime.strptime(text, self.pattern)  # noqa: DTZ007 - the type says what a time without zone is
        except ValueError:
            return None
        if self.type == TIMESTAMP:
            return moment.astimezone(UTC)
        return moment if self.type == DATETIME else moment.date()
