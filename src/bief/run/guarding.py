"""One batch on its way from the source to the destination: shaped, held against its table, made into a load.

Called by `run.ingest` for what a source gives, and by `run.replay` for what comes back from the quarantine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pyarrow as pa

from bief.base.events import Event, SourceWarned, TableChanged
from bief.batches.arrow import Column, arrow
from bief.batches.batch import Batch, RejectedRow
from bief.batches.keys import last_per_key
from bief.batches.shaping import deduplicate_rows, shape
from bief.guard.contract import Fitted, fit
from bief.guard.misfits import Misfit
from bief.guard.quarantine import rejected_rows, set_aside
from bief.ports.destination import Load, Loader
from bief.run.plan import PlannedStep

_REFUSED_RULE = "refused"
_PLACE = "_bief_place"


class Guarding:
    """Makes loads of the batches of one step. `tell` hears what the table gets and what the user should know."""

    def __init__(self, step: PlannedStep, source_name: str, tell: Callable[[Event], None]) -> None:
        self._step = step
        self._source_name = source_name
        self._tell = tell

    def load(self, batch: Batch, loader: Loader, batch_id: str) -> Load:
        """The rows that fit, the others with their reasons, and the changes that the table needs."""
        stream = self._step.stream
        rows, repeated = shape(batch.rows, stream.shape), 0
        if stream.shape.deduplicate:
            rows, repeated = deduplicate_rows(rows)
        fitted = fit(rows, loader.schema, stream.shape, stream.primary_key)
        self._report(fitted)
        rows, outdated = last_per_key(fitted.rows, self._key(), stream.cursor)
        return Load(
            batch_id=batch_id,
            rows=rows,
            position=batch.position,
            read=batch.read,
            rejected=set_aside(batch, fitted.misfits, stream.shape),
            deduplicated=repeated + outdated,
            deleted=batch.deleted,
            changes=fitted.changes,
            refuse=self._refusing(batch, fitted, outdated),
        )

    def _refusing(self, batch: Batch, fitted: Fitted, outdated: int) -> Callable[[int, str], RejectedRow]:
        """Makes the rejected row of a loaded row that the database does not take. Costs nothing until it does."""

        @cache
        def places() -> Column | None:
            if not outdated:
                return None
            numbered = fitted.rows.append_column(_PLACE, arrow.array(range(fitted.rows.num_rows), pa.int64()))
            return last_per_key(numbered, self._key(), self._step.stream.cursor)[0].column(_PLACE)

        def refuse(place: int, reason: str) -> RejectedRow:
            kept = places()
            number = fitted.row_number(place if kept is None else int(kept[place].as_py()))
            misfit = Misfit(number, "", _REFUSED_RULE, f"the destination refused it: {reason}")
            return rejected_rows([misfit], batch.provenance, self._step.stream.shape)[0]

        return refuse

    def _report(self, fitted: Fitted) -> None:
        if fitted.changes:
            self._tell(TableChanged(table=self._step.table, changes=tuple(map(str, fitted.changes))))
        for warning in fitted.warnings:
            self._tell(SourceWarned(source=self._source_name, stream=self._step.stream.name, message=warning))

    def _key(self) -> tuple[str, ...]:
        """What makes two rows of one batch the same row. In append mode, two versions are two rows."""
        stream = self._step.stream
        if self._step.mode == "append" and stream.primary_key:
            return (*stream.primary_key, stream.cursor) if stream.cursor else ()
        return stream.primary_key
