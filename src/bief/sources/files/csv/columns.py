"""What each column of a file is, and its texts as values. Called by `reader` with the texts of one block.

* A declared type: the values, if all of them fit; else the texts, and the contract says which row is wrong
  (`guard.contract`). What it could not judge as well (JSON, other marks in numbers) is judged here.
* A declared format: the values; a row with another text is rejected.
* Anything else: the least kind that has room for all values of the file (`kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, pc
from bief.batches.schema import FLOAT, INTEGER, JSON, name_of
from bief.sources.files.csv.inference import read_as, settle
from bief.sources.files.csv.kinds import Kind
from bief.sources.files.csv.notations import NumberMarks, TimeFormat
from bief.sources.files.csv.options import CsvOptions

_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.LONG, Kind.HUGE, Kind.FLOAT})
_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Misfit:
    """A value that its column has no room for, by the row of the block."""

    row: int
    column: str
    reason: str


class Columns:
    """The columns of one file. `kinds`: what was learnt of them before, one for each column that is inferred."""

    def __init__(
        self, names: Sequence[str], declared: Mapping[str, Any], options: CsvOptions, kinds: Sequence[Kind] | None
    ) -> None:
        self._names = names
        self._formats = {name: TimeFormat(pattern) for name, pattern in options.formats.items()}
        self._declared = {name: to for name, to in declared.items() if name not in self._formats}
        self._marks = NumberMarks(options.decimal_mark, options.thousands_mark)
        self._kinds = list(kinds) if kinds is not None else [Kind.EMPTY] * len(names)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is known of the columns so far."""
        return tuple(self._kinds)

    def learn(self, texts: Sequence[Column]) -> None:
        """Take the values of a block into account without making them."""
        for place, name in enumerate(self._names):
            if not self._is_fixed(name):
                self._kinds[place], _ = self._settle(texts[place], self._kinds[place])

    def read(self, texts: Sequence[Column]) -> tuple[list[Column], list[Misfit]] | None:
        """The values of a block and those that do not fit; None if a column turned out to be of another type than
        was thought: all blocks that were read before are wrong, then."""
        misfits: list[Misfit] = []
        columns: list[Column] = []
        for place, name in enumerate(self._names):
            if self._is_fixed(name):
                columns.append(self._fixed(texts[place], name, misfits))
                continue
            self._kinds[place], values = self._settle(texts[place], self._kinds[place])
            if values is None:
                return None
            columns.append(values)
        return columns, misfits

    def _is_fixed(self, name: str) -> bool:
        return name in self._declared or name in self._formats

    def _settle(self, texts: Column, kind: Kind) -> tuple[Kind, Column | None]:
        if self._marks.is_plain or kind is Kind.TEXT or texts.null_count == len(texts):
            return settle(texts, kind)
        plain, is_number = self._marks.plain(texts)
        if pc.all(pc.or_(is_number, pc.is_null(texts))).as_py():
            found, values = settle(plain, kind)
            return (found, texts if kind is Kind.EMPTY else None) if found is Kind.TEXT else (found, values)
        found, values = settle(texts, kind)
        if found not in _NUMBERS:
            return found, values
        return Kind.TEXT, texts if kind is Kind.EMPTY else None

    def _fixed(self, texts: Column, name: str, misfits: list[Misfit]) -> Column:
        if name in self._formats:
            pattern = self._formats[name]
            values = pattern.read(texts)
            is_wrong = pc.and_not(pc.is_valid(texts), pc.is_valid(values))
            misfits += _misfits(texts, is_wrong, name, f"{_named(pattern.type)} written as {pattern.pattern}")
            return values
        to = self._declared[name]
        if to == JSON:
            misfits += _misfits(texts, pa.array([not _is_json(text) for text in texts.to_pylist()]), name, "JSON")
        elif not self._marks.is_plain and (to in {INTEGER, FLOAT} or pa.types.is_decimal(to)):
            plain, is_number = self._marks.plain(texts)
            misfits += _misfits(texts, pc.and_not(pc.is_valid(texts), is_number), name, _named(to))
            texts = plain
        values = texts.cast(JSON) if to == JSON else read_as(texts, to)
        return texts if values is None else values

    @property
    def empty(self) -> list[Column]:
        """The columns of no rows."""
        types = [
            self._formats[name].type if name in self._formats else self._declared.get(name, kind.type)
            for name, kind in zip(self._names, self._kinds, strict=True)
        ]
        return [pa.array([], arrow_type) for arrow_type in types]


def _misfits(texts: Column, is_wrong: Any, name: str, expected: str) -> list[Misfit]:
    rows = pc.indices_nonzero(is_wrong)
    wrong: list[str] = texts.take(rows).to_pylist()
    return [
        Misfit(row, name, f"{_shown(text)} is not {expected}")
        for row, text in zip(rows.to_pylist(), wrong, strict=True)
    ]


def _is_json(text: str | None) -> bool:
    try:
        return text is None or msgspec.json.decode(text, type=msgspec.Raw) is not None
    except msgspec.DecodeError:
        return False


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _named(arrow_type: pa.DataType) -> str:
    name = name_of(arrow_type)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
