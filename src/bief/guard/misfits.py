"""The rows of a batch that must not be loaded, gathered while its columns are looked at.

Filled by `guard.contract` and `guard.checks`; good rows cost nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER

_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Misfit:
    """A row that must not be loaded: its number in the batch, and the first thing that is wrong with it."""

    row_number: int
    column: str
    rule: str
    reason: str


class Misfits:
    """The misfits among `rows`, by their place there. `numbers`: the ROW_NUMBER of each row; if it is not given, that
    of the rows, or else their places."""

    def __init__(self, rows: pa.Table, numbers: Column | None = None) -> None:
        self._rows = rows
        if numbers is None and ROW_NUMBER in rows.column_names:
            numbers = rows.column(ROW_NUMBER)
        self._numbers: Column = _counted(rows.num_rows) if numbers is None else numbers
        self._found: dict[int, tuple[str, str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __contains__(self, place: object) -> bool:
        return place in self._found

    def add(self, bad: Column, column: str, rule: str, reasons: str | Sequence[str]) -> None:
        """The rows where the mask `bad` is true (null is not), with one reason for all, or one for each. Of a row that
        is wrong twice the first stands."""
        places: list[int] = pc.indices_nonzero(bad).to_pylist()
        self.add_places(places, column, rule, reasons)

    def add_places(self, places: Sequence[int], column: str, rule: str, reasons: str | Sequence[str]) -> None:
        """The same for rows that are named by their places."""
        each = [reasons] * len(places) if isinstance(reasons, str) else reasons
        for place, reason in zip(places, each, strict=True):
            self._found.setdefault(place, (column, rule, reason))

    def without_key(self, primary_key: Sequence[str]) -> None:
        """Rows that have no value in a column of their primary key."""
        for key in primary_key:
            if key not in self._rows.column_names:
                everything = range(self._rows.num_rows)
                self.add_places(everything, key, "primary_key", f"the primary key '{key}' is missing")
            elif self._rows.column(key).null_count:
                missing = pc.is_null(self._rows.column(key))
                self.add(missing, key, "primary_key", f"the primary key '{key}' is null or missing")

    def without(self, table: pa.Table) -> tuple[pa.Table, Column]:
        """The rows of `table`, one for each of the batch, that are no misfits, and their numbers."""
        if not self._found:
            return table, self._numbers
        kept = bytearray(b"\x01") * self._rows.num_rows
        for place in self._found:
            kept[place] = 0
        mask = arrow.Array.from_buffers(arrow.uint8(), len(kept), [None, arrow.py_buffer(kept)]).cast(arrow.bool_())
        return table.filter(mask), self._numbers.filter(mask)

    def found(self) -> list[Misfit]:
        """One for each row, in the order of the batch."""
        places = sorted(self._found)
        numbers: list[int] = self._numbers.take(arrow.array(places, arrow.int64())).to_pylist() if places else []
        return [Misfit(number, *self._found[place]) for number, place in zip(numbers, places, strict=True)]


def shown(text: str) -> str:
    """A value as a reason shows it: in quotes, and cut if it is long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _counted(rows: int) -> Column:
    return arrow.chunked_array([arrow.arange(0, rows)])
