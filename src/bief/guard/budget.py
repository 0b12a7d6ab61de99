"""How many rejected rows a stream may have before it fails: the option `max_rejected`.

Made by `assemble` from the project file; asked by `run.ingest` before each commit and at the end of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Self

from bief.batches.batch import RejectedRow
from bief.errors import TooManyRejected

# One per cent of a small stream is less than one row: a share always allows these few, unless it is zero.
_ALWAYS_ALLOWED: Final = 10
_SHOWN_REASONS: Final = 3
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")


@dataclass(frozen=True)
class Budget:
    """Either a number of `rows`, or a `share` of the rows read (and then at least ten rows)."""

    rows: int | None = None
    share: Fraction = Fraction(1, 100)

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """The budget of `"1%"`, `100` or `"100"`. Raises ValueError, with a sentence, for other texts."""
        match = _PERCENT.fullmatch(str(text).strip())
        if match is not None and Fraction(match[1]) <= 100:  # noqa: PLR2004 - per cent
            return cls(share=Fraction(match[1]) / 100)
        if not isinstance(text, bool) and re.fullmatch(r"\d{1,18}", str(text).strip(), re.ASCII):
            return cls(rows=int(text))
        raise ValueError(f"'{text}' is not a number of rows (100) or a share of them (1%)")

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.rows is not None else f"{float(self.share * 100):g}%"

    def allows(self, rejected: int, read: int) -> bool:
        """Whether `rejected` of `read` rows are within the budget."""
        if self.rows is not None:
            return rejected <= self.rows
        return rejected <= self.share * read or rejected <= (_ALWAYS_ALLOWED if self.share else 0)


@dataclass(frozen=True)
class Tally:
    """Counts the rejected rows of one stream in one run, and ends it when they are too many.

    `examples`: the first row of each rule and column.
    """

    budget: Budget
    read: int = 0
    rejected: int = 0
    examples: Mapping[tuple[str, str], RejectedRow] = field(default_factory=dict)

    def plus(self, read: int, rejected: Sequence[RejectedRow], *, complete: bool = False) -> Tally:
        """The tally with one batch more, before that is committed; this one stays, in case that it is not.

        `complete`: the stream has no more rows. Raises `TooManyRejected` if the stream is over its budget now; one of
        which every row was rejected is over any budget.
        """
        examples = dict(self.examples)
        for row in rejected:
            examples.setdefault((row.rule, row.column), row)
        more = Tally(self.budget, self.read + read, self.rejected + len(rejected), examples)
        nothing_left = complete and more.read > 0 and more.rejected == more.read
        if self.budget.allows(more.rejected, more.read) and not nothing_left:
            return more
        what = f"{more.rejected} of {more.read} rows were rejected"
        limit = "nothing is left to load" if nothing_left else f"max_rejected allows {self.budget}"
        raise TooManyRejected(
            f"{what}, and {limit}.{more._reasons()}",
            do="This batch was not loaded. Correct the source or the declared columns, or raise max_rejected.",
        )

    def _reasons(self) -> str:
        shown = list(self.examples.values())[:_SHOWN_REASONS]
        if not shown:
            return ""
        reasons = (f"{row.origin}: {row.column and f'column {row.column}: '}{row.reason}" for row in shown)
        return f" First reasons: {'; '.join(reasons)}."
