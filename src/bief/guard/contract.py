"""Holds the rows of a batch against their table: which columns the table must get, and which rows do not fit.

Called by `run.ingest` after shaping. Hands rows of exactly the table's types to the loader, the changes of the table
with them, and the misfits to `guard.quarantine`. The rules:

* A column has the type of the table; in a new table or column the declared type; else the type of its values (texts
  that are all full ISO-8601 become timestamp, datetime or date: `batches.casting.infer_text`).
* A column without any value adds nothing to a table.
* A declared type is frozen. Others widen where nothing can be lost: an integer to a decimal when larger integers
  come (38,0) or fractions ((38,9) or (38,18)), a decimal to one with more digits. An integer never becomes a float,
  since numbers that the table holds already may not be exact floats.
* Whatever else does not fit leaves the batch, one row at a time, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER
from bief.batches.casting import as_text, cast_column, infer_text, natural
from bief.batches.schema import JSON, TEXT, name_of
from bief.batches.shaping import Shape
from bief.guard.widening import wider
from bief.ports.destination import AddColumn, Change, WidenColumn

_SHOWN_CHARACTERS: Final = 80
_NUL_IN_TEXT: Final = "\x00"
# In JSON text a NUL is escaped; an even number of backslashes before it would be backslashes, and no escape.
_NUL_IN_JSON: Final = r"(?:^|[^\\])(?:\\\\)*\\u0000"


@dataclass(frozen=True)
class Misfit:
    """A row that must not be loaded: its number in the batch, and the first thing that is wrong with it."""

    row_number: int
    column: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Fitted:
    """The rows that fit (columns of the table only, without ROW_NUMBER) and all that follows from fitting them.

    There is one misfit for each row that is missing from `rows`.
    """

    rows: pa.Table
    misfits: list[Misfit]
    changes: list[Change]
    warnings: list[str]
    row_numbers: Sequence[int]

    def row_number(self, place: int) -> int:
        """The number in the batch of the row at a place of `rows`."""
        return self.row_numbers[place]


@dataclass(frozen=True)
class _Column:
    """One column after the cast. `bad` are the places that do not fit, and why."""

    values: Column
    bad: dict[int, Misfit]
    change: Change | None


def fit(
    rows: pa.Table, known: pa.Schema | None, shape: Shape, primary_key: Sequence[str] = (), *, refuse_nul: bool = True
) -> Fitted:
    """Fit shaped rows to their table.

    `known`: the table's columns, None if there is no table. `shape`: what the stream declares. `primary_key`: columns
    in which null is not allowed. `refuse_nul`: NUL characters do not fit, as in PostgreSQL; on by default, so that
    the same rows load everywhere.
    """
    declared = shape.table_types()
    numbers = _row_numbers(rows)
    bad = _without_key(rows, primary_key, numbers)
    fitted: dict[str, _Column] = {}
    for name in rows.column_names:
        if name == ROW_NUMBER:
            continue
        table_type = known.field(name).type if known is not None and name in known.names else None
        column = _fit_column(rows.column(name), name, table_type, declared.get(name), numbers)
        if column is not None:
            fitted[name] = column
            bad = column.bad | bad
            if refuse_nul:
                bad = _nul_characters(column.values, name, numbers) | bad
    table = arrow.table({name: column.values for name, column in fitted.items()})
    if bad:
        keep = sorted(set(range(rows.num_rows)) - bad.keys())
        table = table.take(arrow.array(keep, pa.int64()))
        numbers = [numbers[place] for place in keep]
    # A new column of which only misfits had values is not new after all.
    empty = {name for name, column in fitted.items() if isinstance(column.change, AddColumn) and _is_empty(table, name)}
    return Fitted(
        rows=table.drop_columns(sorted(empty)),
        misfits=[bad[place] for place in sorted(bad)],
        changes=[column.change for name, column in fitted.items() if column.change is not None and name not in empty],
        warnings=_warnings(known, declared),
        row_numbers=numbers,
    )


def _fit_column(
    column: Column, name: str, known: pa.DataType | None, declared: pa.DataType | None, numbers: list[int]
) -> _Column | None:
    """The column in the type that the table has, or gets. None: it has no value, and the table no such column."""
    if column.null_count == len(column):
        return None if known is None else _Column(arrow.chunked_array([arrow.nulls(len(column), known)]), {}, None)
    column = natural(column)
    if known is not None:
        to = known if declared is not None else wider(known, column)
        change: Change | None = None if to == known else WidenColumn(name, known, to)
    else:
        column = infer_text(column) if declared is None else column
        to = declared if declared is not None else column.type
        change = AddColumn(name, to)
    values, misfits = cast_column(column, to)
    places = pc.indices_nonzero(misfits)
    if not len(places):
        return _Column(values, {}, change)
    texts: list[str] = as_text(column).take(places).to_pylist()
    bad = {
        place: Misfit(numbers[place], name, "type", f"{_shown(text)} is not {_article(name_of(to))}")
        for place, text in zip(places.to_pylist(), texts, strict=True)
    }
    return _Column(values, bad, change)


def _without_key(rows: pa.Table, primary_key: Sequence[str], numbers: list[int]) -> dict[int, Misfit]:
    bad: dict[int, Misfit] = {}
    for key in primary_key:
        missing = key not in rows.column_names
        places = range(rows.num_rows) if missing else pc.indices_nonzero(pc.is_null(rows.column(key))).to_pylist()
        reason = f"the primary key '{key}' is {'missing' if missing else 'null or missing'}"
        for place in places:
            bad.setdefault(place, Misfit(numbers[place], key, "primary_key", reason))
    return bad


def _nul_characters(column: Column, name: str, numbers: list[int]) -> dict[int, Misfit]:
    if column.type == TEXT:
        found = pc.match_substring(column, _NUL_IN_TEXT)
    elif column.type == JSON:
        found = pc.match_substring_regex(column.cast(TEXT), _NUL_IN_JSON)
    else:
        return {}
    places = pc.indices_nonzero(pc.fill_null(found, False)).to_pylist()  # noqa: FBT003 - pyarrow
    reason = "the text holds a NUL character, which not every database can store"
    return {place: Misfit(numbers[place], name, "nul_character", reason) for place in places}


def _row_numbers(rows: pa.Table) -> list[int]:
    if ROW_NUMBER not in rows.column_names:
        return list(range(rows.num_rows))
    column: Column = rows.column(ROW_NUMBER)
    return list(column.to_pylist())


def _is_empty(table: pa.Table, name: str) -> bool:
    return bool(table.column(name).null_count == table.num_rows)


def _warnings(known: pa.Schema | None, declared: Mapping[str, pa.DataType]) -> list[str]:
    if known is None:
        return []
    return [
        f"Column {name} is declared as {name_of(arrow_type)}, but the table has it as "
        f"{name_of(known.field(name).type)}, which stands; run once with --full-refresh to change it."
        for name, arrow_type in declared.items()
        if name in known.names and known.field(name).type != arrow_type
    ]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _article(type_name: str) -> str:
    return f"an {type_name}" if type_name[0] in "aeiou" else f"a {type_name}"
