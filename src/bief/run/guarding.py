"""One batch on its way from the source to the destination: shaped, held against its table, made into a load.

Called by `run.ingest` for what a source gives, and by `run.replay` for what comes back from the quarantine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from bief.base.events import CheckBroken, Event, SourceWarned, TableChanged
from bief.batches.arrow import Column
from bief.batches.batch import ROW_NUMBER, Batch, RejectedRow
from bief.batches.keys import last_per_key
from bief.batches.shaping import deduplicate_rows, shape
from bief.guard.checks import Checks, Finding, Findings
from bief.guard.contract import Fitted, fit, must_fit
from bief.guard.misfits import Misfit
from bief.guard.quarantine import rejected_rows, set_aside
from bief.guard.references import Own
from bief.ports.destination import Load, Loader
from bief.run.plan import PlannedStep

_REFUSED_RULE = "refused"


class Guarding:
    """Makes loads of the batches of one step. `tell` hears what the table gets and what the user should know."""

    def __init__(self, step: PlannedStep, source_name: str, tell: Callable[[Event], None]) -> None:
        self._step = step
        self._source_name = source_name
        self._tell = tell
        self._checks = Checks(step.checks, self._own(), self._report_check)
        self._made_by = ""
        self._last: Load | None = None

    @property
    def findings(self) -> Findings:
        """What the checks found in the batch that was guarded last."""
        return self._checks.findings

    def load(self, batch: Batch, loader: Loader, batch_id: str) -> Load:
        """The rows that fit and keep all checks, the others with their reasons, and the changes that the table needs.

        Raises `ContractBroken` and `CheckFailed`.
        """
        stream = self._step.stream
        self._checks.begin(batch.provenance)
        rows, repeated = shape(batch.rows, stream.shape), 0
        if stream.shape.deduplicate:
            rows, repeated = deduplicate_rows(rows)
        fitted = self._fit(rows, batch, loader, batch_id)
        self._report(fitted)
        known = stream.shape.table_types() | columns_of(loader.schema)
        rows, broken = self._checks.each_row(fitted.numbered, known, loader)
        rows, outdated = last_per_key(rows, self._key(), stream.cursor)
        rows, doubled = self._checks.among_rows(rows, known, loader)
        misfits = sorted([*fitted.misfits, *broken, *doubled], key=lambda misfit: misfit.row_number)
        self._last = Load(
            batch_id=batch_id,
            rows=rows.drop_columns([ROW_NUMBER]),
            position=batch.position,
            read=batch.read,
            rejected=set_aside(batch, misfits, stream.shape),
            deduplicated=repeated + outdated,
            deleted=batch.deleted,
            changes=fitted.changes,
            refuse=self._refusing(batch, rows.column(ROW_NUMBER)),
        )
        return self._last

    def landed(self, batch: Batch, loader: Loader, batch_id: str) -> Load:
        """The load of a batch that has landed before, as it was then: held against the table now, its rows would meet
        themselves."""
        known = self._last
        return known if known is not None and known.batch_id == batch_id else self.load(batch, loader, batch_id)

    def judge(self, loader: Loader, now: datetime) -> None:
        """Look at the table as the open load will leave it, at the end of a round. Raises `CheckFailed`."""
        self._checks.of_table(loader, now)

    def close(self) -> None:
        """Let go of what the checks use."""
        self._checks.close()

    def _fit(self, rows: pa.Table, batch: Batch, loader: Loader, batch_id: str) -> Fitted:
        stream, contract = self._step.stream, self._step.contract
        if loader.schema is None:
            self._made_by = batch_id
        elif batch_id == self._made_by:
            # A further part of the load that makes the table.
            contract = "evolve"
        fitted = fit(rows, loader.schema, stream.shape, stream.primary_key, contract=contract, typed=batch.typed)
        if self._step.contract == "freeze":
            must_fit(fitted, batch.provenance)
        return fitted

    def _refusing(self, batch: Batch, numbers: Column) -> Callable[[int, str], RejectedRow]:
        """Makes the rejected row of a loaded row that the database does not take."""

        def refuse(place: int, reason: str) -> RejectedRow:
            misfit = Misfit(numbers[place].as_py(), "", _REFUSED_RULE, f"the destination refused it: {reason}")
            return rejected_rows([misfit], batch.provenance, self._step.stream.shape)[0]

        return refuse

    def _report_check(self, finding: Finding) -> None:
        self._tell(
            CheckBroken(
                stream=self._step.stream.name,
                check=finding.name,
                severity=finding.severity,
                rows=finding.rows_failed,
                example=finding.examples[0],
            )
        )

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

    def _own(self) -> Own:
        """What makes two rows of the table the same row."""
        stream, mode = self._step.stream, self._step.mode
        if mode == "append":
            return Own(self._step.table, stream.primary_key if stream.cursor else ())
        return Own(self._step.table, stream.primary_key, replaces=True, versions=mode == "history")


def columns_of(schema: pa.Schema | None) -> dict[str, pa.DataType]:
    """The columns of a table by their names; none while there is no table."""
    return {} if schema is None else {field.name: field.type for field in schema}
