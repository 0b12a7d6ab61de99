"""Quarantined rows made records again: which of them can be tried, and as what.

Called by `run.replay`. Whatever a raw record has lost on its way into the quarantine keeps it there: a row is never
loaded with less than the source gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from bief.base.names import could_be
from bief.base.secrets import MASK
from bief.batches.batch import Batch, Provenance, RejectedRow
from bief.batches.rows import RecordReader
from bief.batches.shaping import Shape
from bief.ports.records import QuarantinedRow

SURPLUS: Final = "_surplus"
MISSING: Final = "_missing"
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Returning:
    """The rows of one page: as a batch those that can be tried (whose origins are their ids), and the others."""

    batch: Batch
    kept: Mapping[str, RejectedRow]


def returning(
    rows: Sequence[QuarantinedRow],
    edits: Mapping[str, str],
    shape: Shape,
    reader: RecordReader,
    clean: Callable[[str], str],
) -> Returning:
    """Read the raw records of quarantined rows; `edits` has other texts for some of them, by their ids.

    `clean` is what took secrets out of the texts before somebody edited them.
    """
    kept: dict[str, RejectedRow] = {}
    ids: list[str] = []
    texts: list[str] = []
    for row in rows:
        text = edits.get(row.id, row.rejected.raw)
        found = _obstacle(row.rejected, text, shape, edited=row.id in edits)
        if text != row.rejected.raw and MASK in text and clean(row.rejected.raw) != row.rejected.raw:
            reason = f"the edit has {MASK} where the record has a secret that was not shown: write the value itself"
            found = replace(row.rejected, rule="not_kept", column="", reason=reason)
        if found is None:
            ids.append(row.id)
            texts.append(text)
        else:
            kept[row.id] = found
    records = reader.read([text.encode("utf-8", "surrogatepass") for text in texts], ids.__getitem__)
    provenance = Provenance(raw=texts.__getitem__, origin=ids.__getitem__)
    return Returning(Batch(rows=records.rows, position=None, rejected=records.rejected, provenance=provenance), kept)


def _obstacle(row: RejectedRow, text: str, shape: Shape, *, edited: bool) -> RejectedRow | None:
    """Why a record cannot be tried; None if it can. What an editor broke is left to the reader of records to say."""
    try:
        members = _MEMBERS.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None if edited else row
    if SURPLUS in members or MISSING in members:
        reason = f"the record has more or fewer fields than columns: put '{SURPLUS}' and '{MISSING}' right with --edits"
        return replace(row, rule="field_count", column="", reason=reason) if edited else row
    for column in _lost(members, shape):
        reason = (
            f"the value of '{column}' is hidden, and so it was not kept: give it with --edits (null if it has none)"
        )
        return replace(row, rule="not_kept", column=column, reason=reason)
    return None


def _lost(members: Mapping[str, msgspec.Raw], shape: Shape) -> Iterator[str]:
    """The columns that are loaded in a hidden form, and of which the record shows nothing."""
    hidden = [name for name, rule in shape.columns.items() if rule.hidden and not shape.drops(name)]
    if not hidden:
        return
    shown = {"__".join(path) for path in _paths(members, ())}
    yield from (name for name in hidden if not any(could_be(source, name) for source in shown))


def _paths(members: Mapping[str, msgspec.Raw], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in members.items():
        yield (*path, name)
        if bytes(value).lstrip().startswith(b"{"):
            yield from _paths(_MEMBERS.decode(value), (*path, name))
