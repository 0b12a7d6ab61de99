"""The kinds of values that JSON cannot tell from texts, remembered on the way in and put back on the way out.

`items` asks for them dict by dict; `collecting` puts them back once the batch has columns.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER
from bief.batches.casting import as_text, cast_column
from bief.batches.schema import BINARY, DATE, DATETIME, TIMESTAMP
from bief.sources.python.encoding import no_number

Path: TypeAlias = tuple[str, ...]
Kind = Literal["timestamp", "datetime", "date", "binary", "decimal"]
_PLAIN: Final = frozenset({str, int, float, bool, type(None), list, tuple})
_TYPES: Final[dict[str, pa.DataType]] = {"timestamp": TIMESTAMP, "datetime": DATETIME, "date": DATE}
_DIGITS: Final = 38
# Room for larger numbers in later batches, and for a table to widen its column once more.
_WHOLE_DIGITS: Final = 20
_SCALES: Final = (9, 18)


@dataclass(frozen=True)
class Exact:
    """A value of a kind that JSON does not have; of a decimal, the digits before and after its point."""

    path: Path
    kind: Kind
    whole: int = 0
    scale: int = 0


def exact_values(item: Mapping[Any, Any]) -> list[Exact]:
    """All such values of a dict and of the dicts in it. Lists stay JSON, whatever is in them. Raises Unfit."""
    if _PLAIN.issuperset(map(type, item.values())):
        return []
    found: list[Exact] = []
    waiting: list[tuple[Path, Mapping[Any, Any]]] = [((), item)]
    while waiting:
        path, members = waiting.pop()
        for key, value in members.items():
            if type(value) in _PLAIN:
                continue
            if isinstance(value, dict | Mapping):
                waiting.append(((*path, str(key)), value))
            elif (exact := _exact((*path, str(key)), value)) is not None:
                found.append(exact)
    return found


def _exact(path: Path, value: Any) -> Exact | None:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise no_number(path[0])
        return Exact(path, "decimal", max(value.adjusted() + 1, 1), max(-int(value.as_tuple().exponent), 0))
    if isinstance(value, datetime):
        return Exact(path, "datetime" if value.tzinfo is None else "timestamp")
    if isinstance(value, date):
        return Exact(path, "date")
    return Exact(path, "binary") if isinstance(value, bytes | bytearray | memoryview) else None


class Kinds:
    """What the records of one batch hold besides JSON."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Path, Kind], set[int]] = {}
        self._digits: dict[Path, tuple[int, int]] = {}

    def note(self, row: int, values: Sequence[Exact]) -> None:
        """Remember the exact values of the record with that number."""
        for value in values:
            self._rows.setdefault((value.path, value.kind), set()).add(row)
            if value.kind == "decimal":
                whole, scale = self._digits.get(value.path, (0, 0))
                self._digits[value.path] = (max(whole, value.whole), max(scale, value.scale))

    def put_back(self, rows: pa.Table, name_of: Callable[[Path], str]) -> pa.Table:
        """The rows, with the columns that hold nothing but values of one such kind in the type of that kind."""
        for (path, kind), places in self._rows.items():
            name = name_of(path)
            if name not in rows.column_names:
                continue
            column = rows.column(name)
            valued = rows.column(ROW_NUMBER).filter(pc.is_valid(column)).to_pylist()
            if kind == "decimal":
                column = _decimals(column, *self._digits[path])
            elif places.issuperset(valued):
                column = _binary(column) if kind == "binary" else cast_column(column, _TYPES[kind])[0]
            rows = rows.set_column(rows.column_names.index(name), name, column)
        return rows


def _binary(column: Column) -> Column:
    texts = column.to_pylist()
    return arrow.chunked_array([arrow.array([None if t is None else base64.b64decode(t) for t in texts], BINARY)])


def _decimals(column: Column, whole: int, scale: int) -> Column:
    """Decimals, perhaps with other numbers among them; as they are if some value is no number of 38 digits."""
    steps = [step for step in _SCALES if step >= scale and max(whole, _WHOLE_DIGITS) + step <= _DIGITS]
    types = [pa.decimal128(max(whole, _WHOLE_DIGITS) + step, step) for step in steps[:1]]
    if whole + scale <= _DIGITS:
        types.append(pa.decimal128(_DIGITS, scale))
    texts = as_text(column)
    for to in types:
        result, misfits = cast_column(texts, to)
        if not pc.any(misfits).as_py():
            return result
    return texts
