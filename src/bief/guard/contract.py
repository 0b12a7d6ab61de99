"""Holds the rows of a batch against their table: which columns the table must get, and which rows do not fit.

Called by `run.guarding` after shaping. Hands rows of exactly the table's types to the checks and the loader, the
changes of the table with them, and the misfits to `guard.quarantine`. The rules:

* A column has the type of the table; in a new table or column the declared type; else the type of its values (texts
  that are all full ISO-8601 become timestamp, datetime or date: `batches.casting.infer_text`), or, if the source knows
  its types, that of the source.
* A column without any value adds nothing to a table, unless the source knows its type.
* A declared type is frozen. Others widen where nothing can be lost: an integer to a decimal when larger integers
  come (38,0) or fractions ((38,9) or (38,18)), a decimal to one with more digits. An integer never becomes a float,
  since numbers that the table holds already may not be exact floats.
* Under the contracts `freeze` and `divert` a table that is there never changes. The load that makes it gives it all
  declared columns, also those without a value.
* Whatever else does not fit leaves the batch, one row at a time, with a reason; under `freeze` it fails the load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow, pc
from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.casting import as_text, cast_values, infer_text, natural
from bief.batches.schema import JSON, TEXT, name_of
from bief.batches.shaping import Shape
from bief.batches.texts import any_holds
from bief.config.checks import Contract
from bief.errors import ContractBroken
from bief.guard.misfits import Misfit, Misfits, shown
from bief.guard.widening import wider
from bief.ports.destination import AddColumn, Change, WidenColumn

_NUL: Final = "\x00"
# In JSON text a NUL is escaped; an even number of backslashes before it would be backslashes, and no escape.
_NUL_IN_JSON: Final = r"(?:^|[^\\])(?:\\\\)*\\u0000"


@dataclass(frozen=True)
class Fitted:
    """The rows that fit (columns of the table only, without ROW_NUMBER) and all that follows from fitting them.

    There is one misfit for each row that is missing from `rows`. `numbers` has the ROW_NUMBER of each row of `rows`.
    """

    rows: pa.Table
    numbers: Column
    misfits: list[Misfit]
    changes: list[Change]
    warnings: list[str]

    def row_number(self, place: int) -> int:
        """The number in the batch of the row at a place of `rows`."""
        return int(self.numbers[place].as_py())

    @property
    def numbered(self) -> pa.Table:
        """The rows with their ROW_NUMBER."""
        return self.rows.append_column(ROW_NUMBER, self.numbers)


def fit(
    rows: pa.Table,
    known: pa.Schema | None,
    shape: Shape,
    primary_key: Sequence[str] = (),
    *,
    contract: Contract = "evolve",
    typed: bool = False,
    refuse_nul: bool = True,
) -> Fitted:
    """Fit shaped rows to their table.

    `known`: the table's columns, None if there is no table. `shape`: what the stream declares. `primary_key`: columns
    in which null is not allowed. `typed`: the source knows the types of all columns. `refuse_nul`: NUL characters do
    not fit, as in PostgreSQL; on by default, so that the same rows load everywhere.
    """
    table = _Table(known, shape.table_types(), contract, typed=typed)
    bad = Misfits(rows)
    bad.without_key(primary_key)
    fitted: dict[str, Column] = {}
    changes: dict[str, Change] = {}
    for name in rows.column_names:
        if name == ROW_NUMBER:
            continue
        column = table.fit(rows.column(name), name, bad)
        if column is None:
            continue
        fitted[name], change = column
        if change is not None:
            changes[name] = change
        if refuse_nul:
            _refuse_nul(fitted[name], name, bad)
    for name, arrow_type in table.unseen(fitted):
        fitted[name], changes[name] = _nulls(rows.num_rows, arrow_type), AddColumn(name, arrow_type)
    kept, numbers = bad.without(arrow.table(fitted) if fitted else rows.select([]))
    if bad and not typed:
        # A new column of which only misfits had values is not new after all.
        empty = [name for name in table.added(changes) if kept.column(name).null_count == kept.num_rows]
        kept, changes = kept.drop_columns(empty), {name: changes[name] for name in changes if name not in empty}
    return Fitted(kept, numbers, bad.found(), list(changes.values()), _warnings(known, table.declared))


def must_fit(fitted: Fitted, provenance: Provenance) -> None:
    """Under the contract `freeze`: raise `ContractBroken` for the first row that does not fit."""
    for misfit in fitted.misfits[:1]:
        others = f" So do {len(fitted.misfits) - 1} more rows of this batch." if len(fitted.misfits) > 1 else ""
        raise ContractBroken(
            f"{provenance.origin(misfit.row_number)} breaks the contract 'freeze': column '{misfit.column}': "
            f"{misfit.reason}.{others}",
            do="Nothing of this load was committed. Correct the source, leave the column out (columns: drop), or let "
            "the table follow (contract: evolve, or once --full-refresh).",
        )


@dataclass(frozen=True)
class _Table:
    """What the columns of the rows are held against."""

    known: pa.Schema | None
    declared: Mapping[str, pa.DataType]
    contract: Contract
    typed: bool

    @property
    def is_closed(self) -> bool:
        return self.known is not None and self.contract != "evolve"

    def fit(self, column: Column, name: str, bad: Misfits) -> tuple[Column, Change | None] | None:
        """The column in the type that the table has, or gets. None: the table has no such column, and gets none."""
        known = self.known.field(name).type if self.known is not None and name in self.known.names else None
        declared = self.declared.get(name)
        if column.null_count == len(column):
            return self._without_values(column, name, known, declared)
        column = natural(column)
        if known is None and self.is_closed:
            bad.add(pc.is_valid(column), name, "contract", f"the table has no column '{name}'")
            return None
        change: Change | None = None
        if known is not None:
            to = known if declared is not None or self.is_closed else wider(known, column)
            change = None if to == known else WidenColumn(name, known, to)
        else:
            column = column if declared is not None or self.typed else infer_text(column)
            to = declared if declared is not None else column.type
            change = AddColumn(name, to)
        values = cast_values(column, to)
        if values.null_count > column.null_count:
            self._refuse(column, values, name, bad)
        return values, change

    def unseen(self, fitted: Iterable[str]) -> list[tuple[str, pa.DataType]]:
        """The declared columns that a new table gets although the rows have none: it gets no others later."""
        if self.known is not None or self.contract == "evolve" or not fitted:
            return []
        return [(name, arrow_type) for name, arrow_type in self.declared.items() if name not in fitted]

    def added(self, changes: Mapping[str, Change]) -> list[str]:
        """The new columns that are new only if they have a value."""
        keeps = self.declared if self.contract != "evolve" else ()
        return [name for name, change in changes.items() if isinstance(change, AddColumn) and name not in keeps]

    def _without_values(
        self, column: Column, name: str, known: pa.DataType | None, declared: pa.DataType | None
    ) -> tuple[Column, Change | None] | None:
        if known is not None:
            return _nulls(len(column), known), None
        if self.is_closed or not self.typed or (declared is None and pa.types.is_null(column.type)):
            return None
        to = declared if declared is not None else natural(column).type
        return _nulls(len(column), to), AddColumn(name, to)

    def _refuse(self, column: Column, values: Column, name: str, bad: Misfits) -> None:
        misfits = pc.and_(pc.is_valid(column), pc.is_null(values))
        texts: list[str] = as_text(column).filter(misfits).to_pylist()
        type_name = name_of(values.type)
        article = "an" if type_name[0] in "aeiou" else "a"
        rule = "contract" if self.is_closed and self.contract == "divert" else "type"
        bad.add(misfits, name, rule, [f"{shown(text)} is not {article} {type_name}" for text in texts])


def _refuse_nul(column: Column, name: str, bad: Misfits) -> None:
    if column.type == TEXT and any_holds(column, _NUL.encode()):
        found = pc.match_substring(column, _NUL)
    elif column.type == JSON and any_holds(column, rb"\u0000"):
        found = pc.match_substring_regex(column.cast(TEXT), _NUL_IN_JSON)
    else:
        return
    bad.add(found, name, "nul_character", "the text holds a NUL character, which not every database can store")


def _nulls(length: int, arrow_type: pa.DataType) -> Column:
    return arrow.chunked_array([arrow.nulls(length, arrow_type)])


def _warnings(known: pa.Schema | None, declared: Mapping[str, pa.DataType]) -> list[str]:
    if known is None:
        return []
    return [
        f"Column {name} is declared as {name_of(arrow_type)}, but the table has it as "
        f"{name_of(known.field(name).type)}, which stands; run once with --full-refresh to change it."
        for name, arrow_type in declared.items()
        if name in known.names and known.field(name).type != arrow_type
    ]
