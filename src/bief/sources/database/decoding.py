"""From what the driver gives to rows of the declared types; a value that does not fit rejects its row.

Called by `reading`. Nothing here is done value by value, unless one of them does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column as Values
from bief.batches.arrow import arrow, pc
from bief.batches.batch import ROW_NUMBER, Provenance, RejectedRow
from bief.batches.casting import as_text, cast_column
from bief.batches.schema import JSON, TEXT, name_of
from bief.sources.database.relations import Column

_SHOWN: Final = 80


@dataclass(frozen=True)
class Decoded:
    """Rows that fit, with ROW_NUMBER; rows that do not; where each of the former came from."""

    rows: pa.Table
    rejected: tuple[RejectedRow, ...]
    provenance: Provenance


def decoded(given: pa.Table, columns: Sequence[Column], origin: Callable[[int], str]) -> Decoded:
    """The first columns of `given`, one for each of `columns`, in their types. `origin`: the place of a row."""
    made: dict[str, Values] = {}
    bad: dict[int, tuple[str, str]] = {}
    for place, column in enumerate(columns):
        values: Values = _storage(given.column(place))
        made[column.name], misfits = _cast(values, column)
        for row in misfits:
            text = as_text(values.slice(row, 1))[0].as_py()
            bad.setdefault(row, (column.name, f"{_shown(str(text))} is not of type {name_of(column.type)}"))
    made[ROW_NUMBER] = arrow.chunked_array([arrow.arange(0, given.num_rows)])
    rows = pa.table(made)
    provenance = Provenance(raw=lambda row: record_text(given, columns, row), origin=origin)
    if not bad:
        return Decoded(rows, (), provenance)
    rejected = tuple(
        RejectedRow(origin(row), "type", reason, record_text(given, columns, row), column)
        for row, (column, reason) in sorted(bad.items())
    )
    kept = sorted(set(range(given.num_rows)) - bad.keys())
    return Decoded(rows.take(arrow.array(kept, pa.int64())), rejected, provenance)


def record_text(given: pa.Table, columns: Sequence[Column], row: int) -> str:
    """One row as a JSON object, by the column names of the source."""
    record = {
        column.name: _plain(_storage(given.column(place)).slice(row, 1), column) for place, column in enumerate(columns)
    }
    return msgspec.json.encode(record).decode()


def _cast(values: Values, column: Column) -> tuple[Values, list[int]]:
    """The values in the type of the column, and the places of those that do not fit."""
    if values.type == column.type:
        return values, []
    if values.null_count == len(values):
        return arrow.chunked_array([arrow.nulls(len(values), column.type)]), []
    try:
        return values.cast(column.type), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if column.declared:
            # The guard says which values are no such thing, and whether the table can hold them all the same.
            return values, []
    result, misfits = cast_column(values, column.type)
    return result, pc.indices_nonzero(misfits).to_pylist()


def _storage(values: Values) -> Values:
    return values.cast(values.type.storage_type) if isinstance(values.type, pa.BaseExtensionType) else values


def _plain(values: Values, column: Column) -> Any:
    """One value as JSON has it: numbers that are exact there, json as it is, everything else as text."""
    if values.null_count:
        return None
    value = values[0].as_py() if values.type in _EXACT else as_text(values)[0].as_py()
    return msgspec.Raw(value.encode()) if column.type == JSON and _is_json(value) else value


_EXACT: Final = frozenset({TEXT, pa.bool_(), pa.int16(), pa.int32(), pa.int64()})


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
