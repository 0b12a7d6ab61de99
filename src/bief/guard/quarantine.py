"""Turns misfits into rejected rows, without anything that the stream drops, hashes or masks.

Called by `run.ingest` with what `guard.contract` found; the rows it makes are written by the destination, in the same
transaction as the rows that fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from bief.base.names import could_be
from bief.batches.batch import Batch, Provenance, RejectedRow
from bief.batches.shaping import Shape
from bief.guard.misfits import Misfit

MAX_RAW_CHARACTERS: Final = 65_536
_WITHHELD: Final = "the record itself is not shown, as it cannot be told where its hidden columns are"


def set_aside(batch: Batch, misfits: Sequence[Misfit], shape: Shape) -> list[RejectedRow]:
    """All rows of a batch that are not loaded: those the source could not read, and those that do not fit."""
    unreadable = [without_hidden(row, shape) for row in batch.rejected]
    return [*unreadable, *rejected_rows(misfits, batch.provenance, shape)]


def rejected_rows(misfits: Sequence[Misfit], provenance: Provenance, shape: Shape) -> list[RejectedRow]:
    """The rejected rows of a batch's misfits: raw record, place in the source, reason."""
    return [
        without_hidden(
            RejectedRow(
                origin=provenance.origin(misfit.row_number),
                rule=misfit.rule,
                reason=misfit.reason,
                raw=provenance.raw(misfit.row_number),
                column=misfit.column,
            ),
            shape,
        )
        for misfit in misfits
    ]


def without_hidden(row: RejectedRow, shape: Shape) -> RejectedRow:
    """The rejected row with a raw record that shows no hidden column.

    A raw record in which those cannot be found, because it is no JSON object, is withheld as a whole.
    """
    raw = visible(row.raw, shape)
    if raw is None:
        return replace(row, raw="", reason=f"{row.reason}; {_WITHHELD}")
    return replace(row, raw=raw[:MAX_RAW_CHARACTERS])


def visible(raw: str, shape: Shape) -> str | None:
    """The text of a record without hidden columns; None if it cannot be told where in it they are."""
    if not any(rule.hidden for rule in shape.columns.values()) or not raw:
        return raw
    try:
        record = _DECODER.decode(raw)
    except (ValueError, RecursionError):
        return None
    return _written(record, (), shape) if isinstance(record, _Object) else None


class _Object(list[tuple[str, Any]]):
    """A JSON object with all its members, also those with the same name."""


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
)


def _written(value: Any, path: tuple[str, ...], shape: Shape) -> str:
    """JSON text of `value`, which stands at `path`, without its hidden members."""
    if isinstance(value, _Object):
        shown = ((name, member) for name, member in value if not _is_hidden((*path, name), shape))
        return f"{{{', '.join(f'{_quoted(name)}: {_written(each, (*path, name), shape)}' for name, each in shown)}}}"
    if isinstance(value, list):
        # A list has no columns below it, but the same member may well be an object in another record.
        return f"[{', '.join(_written(each, path, shape) for each in value)}]"
    return str(value) if isinstance(value, _Number) else _quoted(value)


def _is_hidden(path: tuple[str, ...], shape: Shape) -> bool:
    """Whether a member is hidden, under any name that its column can have in any batch."""
    source_name = "__".join(path)
    return any(rule.hidden and could_be(source_name, name) for name, rule in shape.columns.items())


_quoted: Callable[[Any], str] = json.dumps
