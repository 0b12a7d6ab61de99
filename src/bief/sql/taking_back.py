"""The rollback of one stream: what its newest run has loaded goes, and the stream stands where it stood before.

Called by `sql.loading` inside a transaction that holds the state of the stream. Whatever cannot be undone exactly is
refused, and then nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bief.base.failpoints import failpoint
from bief.batches.batch import Position
from bief.errors import DestinationRefused, Fenced
from bief.ports.destination import Target
from bief.ports.records import StreamRun, TakenBack
from bief.sql import statements
from bief.sql.bookkeeping import LOADS, QUARANTINE, STATE, STEPS, StreamRow, is_complete, moment, position_text
from bief.sql.dialect import Dialect
from bief.sql.session import Row, Session
from bief.sql.tables import Tables

_TAKEN_BACK: Final = "Its rows were taken back by {}."


def stream_runs(read: Callable[..., list[Row]], dialect: Dialect, pipeline: str, stream: str) -> list[StreamRun]:
    """See `ports.destination.Destination.stream_runs`."""
    rows = read(statements.STREAM_RUNS.format(loads=dialect.table(LOADS)), pipeline, stream)
    return [_stream_run(row) for row in rows]


class TakingBack:
    """Undoes the newest run of a stream, in an open transaction."""

    def __init__(self, session: Session, tables: Tables, target: Target, run_id: str) -> None:
        dialect = session.dialect
        self._session = session
        self._tables = tables
        self._target = target
        self._names = (target.pipeline, target.stream, run_id)
        self._words = {
            "loads": dialect.table(LOADS),
            "state": dialect.table(STATE),
            "steps": dialect.table(STEPS),
            "table": dialect.table(QUARANTINE),
            "into": dialect.table(target.table),
            "key": dialect.names(target.primary_key),
            "keys_of_t": dialect.names(target.primary_key, "t"),
            "same_key": " AND ".join(f"t.{dialect.quote(key)} = s.{dialect.quote(key)}" for key in target.primary_key),
            "now": dialect.now,
        }
        self._words["loads_of_run"] = statements.LOADS_OF_RUN.format(**self._words)

    def run(self) -> StreamRun:
        """The run that is meant. Raises `DestinationRefused` if it is not the newest, or cannot be undone exactly."""
        pipeline, stream, run_id = self._names
        runs = stream_runs(self._session.rows, self._session.dialect, pipeline, stream)
        found = next((run for run in runs if run.run_id == run_id), None)
        if found is not None and found.rolled_back:
            return found
        newest = next((run for run in runs if not run.rolled_back), None)
        if found is None or newest is None or newest.run_id != run_id:
            newer = f"; the newest is {newest.run_id}" if newest else ""
            raise DestinationRefused(f"the run {run_id} is not the newest that loaded the stream {stream}{newer}.")
        if found.keeps or (found.mode, found.table) != (self._target.mode, self._target.table):
            keeps = found.keeps or f"was loaded in mode {found.mode} into {found.table}: take it back with that project"
            raise DestinationRefused(f"the run {run_id} of the stream {stream} {keeps}.")
        return found

    def rows(self, run: StreamRun) -> TakenBack:
        """Take the rows of the run out of its table and out of the quarantine."""
        gone = self._versions(run) if run.mode == "history" else self._loaded()
        failpoint("take_back.after_rows")
        if gone != run.loaded:
            raise DestinationRefused(
                f"the run {run.run_id} loaded {run.loaded} rows into {run.table}, and {gone} of them are there.",
                do="The table was changed by hand: restore it from a backup, or rebuild it with --full-refresh.",
            )
        return TakenBack(gone, self._write(statements.DELETE_LOADS, *self._names))

    def books(self, state: StreamRow) -> StreamRow:
        """Set the state of the stream back, and say in ledger and run log that the run was taken back."""
        [(text, complete)] = self._session.rows(statements.FIRST_POSITION.format(**self._words), *self._names)
        position = None if text is None else Position(json.loads(text), bool(complete))
        self._write(statements.MARK_ROLLED_BACK, *self._names)
        pipeline, stream, run_id = self._names
        self._write(statements.STEP_ROLLED_BACK, _TAKEN_BACK.format(self._target.run_id), run_id, pipeline, stream)
        total = None if state.total_rows is None else self._count()
        written = self._write(
            statements.RESTORE,
            position_text(position),
            is_complete(position),
            total,
            pipeline,
            stream,
            state.version,
            state.epoch,
        )
        if written != 1:
            raise Fenced(f"the state of the stream {stream} was changed while a run of it was taken back.")
        return replace(state, position=position, version=state.version + 1, total_rows=total)

    def _loaded(self) -> int:
        return self._write(statements.DELETE_LOADED, *self._names) if self._exists else 0

    def _versions(self, run: StreamRun) -> int:
        """Delete the versions that the run opened, and open again those that it closed for them."""
        if not self._exists:
            return 0
        known = (*self._names, run.first_load)
        doubtful = self._session.rows(statements.DOUBTFUL_VERSIONS.format(**self._words), *known)[0][0]
        if int(doubtful):
            raise DestinationRefused(
                f"{doubtful} old versions in {run.table} may have been closed by this run, or before it.",
                do="Restore a backup of the table.",
            )
        self._write(statements.HIDE_VERSIONS, *self._names)
        self._write(statements.REOPEN_VERSIONS, *known)
        return self._loaded()

    def _count(self) -> int:
        return self._tables.count(self._target.table) if self._exists else 0

    @property
    def _exists(self) -> bool:
        return self._tables.read(self._target.table) is not None

    def _write(self, sentence: str, *values: object) -> int:
        return self._session.write(sentence.format(**self._words), *values)


def _stream_run(row: Row) -> StreamRun:
    run_id, table, mode, first, last, completed, loaded, deleted, rejected, released, rebuilt, back, committed = row
    return StreamRun(
        run_id=run_id,
        table=table,
        mode=mode,
        first_load=int(first),
        last_load=int(last),
        completed_load=None if completed is None else int(completed),
        loaded=int(loaded),
        deleted=int(deleted),
        rejected=int(rejected),
        released=int(released),
        rebuilt=bool(rebuilt),
        rolled_back=bool(back),
        committed_at=moment(committed) or datetime.min.replace(tzinfo=UTC),
    )
