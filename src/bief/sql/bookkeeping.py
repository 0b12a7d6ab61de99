"""Bief's own rows in a destination: ledger, stream state and run log.

Called by `sql.loading` inside its transactions; says the sentences of `sql.statements` and judges nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bief.batches.batch import Position
from bief.ports.destination import Committed, Target
from bief.sql import statements
from bief.sql.session import Session
from bief.sql.totals import Totals

FORMAT: Final = "_bief_format"
LOADS: Final = "_bief_loads"
STATE: Final = "_bief_state"
QUARANTINE: Final = "_bief_quarantine"
STEPS: Final = "_bief_steps"
VIEWS: Final = ("etl_logs", "sync_metadata")
_CRASHED: Final = "The run ended without saying so: its process was killed or its machine stopped."


@dataclass(frozen=True)
class StreamRow:
    """The state row of a stream. `staging` names the table in which the running round is gathered, if it is."""

    position: Position | None
    version: int
    epoch: int
    staging: str | None
    rebuilding: bool
    table_name: str
    total_rows: int | None
    last_success: datetime | None


class Books:
    """The own rows of one stream in one run."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._target = target
        dialect = session.dialect
        self._words = {
            "loads": dialect.table(LOADS),
            "state": dialect.table(STATE),
            "steps": dialect.table(STEPS),
            "now": dialect.now,
            "clock": dialect.clock,
            "xid": dialect.xid,
        }

    def now(self) -> Any:
        """The time of the transaction, in the form in which this database takes it back."""
        return self._session.rows(self._say(statements.NOW))[0][0]

    # -- ledger

    def claim(self, batch_id: str, epoch: int) -> int | None:
        """Write the load into the ledger. None if it is there already: then it has landed before."""
        target = self._target
        claimed = self._session.rows(
            self._say(statements.CLAIM),
            target.pipeline,
            target.stream,
            target.table,
            target.mode,
            batch_id,
            target.run_id,
            epoch,
        )
        return int(claimed[0][0]) if claimed else None

    def landed(self, batch_id: str) -> Committed:
        """What the ledger says of a load that landed before."""
        row = self._session.rows(self._say(statements.LANDED), self._target.pipeline, batch_id)[0]
        load_id, loaded, superseded, deleted, refused = (int(value) for value in row)
        return Committed(load_id, loaded, superseded, deleted, refused, landed_before=True)

    def record(self, totals: Totals, position: Position | None, before: StreamRow, load_id: int) -> None:
        """Complete the ledger row of a load: its counts, where it leads to (None: nowhere) and where it began."""
        self._session.write(
            self._say(statements.RECORD_COUNTS),
            totals.read,
            totals.loaded,
            totals.superseded,
            totals.deleted,
            totals.rejected,
            totals.refused,
            totals.filtered,
            totals.deduplicated,
            totals.released,
            position_text(position or before.position),
            position is not None and position.complete,
            position_text(before.position),
            is_complete(before.position),
            before.rebuilding,
            load_id,
        )

    # -- state

    def state(self, *, lock: bool = False) -> StreamRow | None:
        """The state row, locked against others until the end of the transaction if asked."""
        sql = self._say(statements.STATE) + (self._session.dialect.for_update if lock else "")
        rows = self._session.rows(sql, self._target.pipeline, self._target.stream)
        return stream_row(rows[0]) if rows else None

    def take_over(self, *, position: Position | None, staging: str | None, rebuilding: bool) -> None:
        """Raise the epoch, so that an older run is fenced at its next commit."""
        target = self._target
        self._session.write(
            self._say(statements.TAKE_OVER),
            target.table,
            position_text(position),
            is_complete(position),
            staging,
            rebuilding,
            target.pipeline,
            target.stream,
        )

    def make_state(self) -> None:
        """Make the state row if there is none."""
        target = self._target
        self._session.write(self._say(statements.NEW_STATE), target.pipeline, target.stream, target.table)

    def advance(self, old: StreamRow, position: Position | None, *, staging: str | None, rebuilding: bool) -> bool:
        """Move the position. False if the row is not the one that was read: somebody else was here."""
        return (
            self._session.write(
                self._say(statements.ADVANCE),
                position_text(position),
                is_complete(position),
                staging,
                rebuilding,
                self._target.pipeline,
                self._target.stream,
                old.version,
                old.epoch,
            )
            == 1
        )

    def finish(self, total_rows: int) -> None:
        """Write down what `sync_metadata` shows: the table's rows, counted now."""
        target = self._target
        self._session.write(self._say(statements.FINISH), total_rows, target.pipeline, target.stream)

    def counted(self, total_rows: int) -> None:
        """The table's rows, counted in the middle of things: no round has ended."""
        target = self._target
        self._session.write(self._say(statements.COUNTED), total_rows, target.pipeline, target.stream)

    # -- run log

    def step_adds(self, read: int, loaded: int, rejected: int, started_at: Any) -> None:
        """Add counts to the running step, or begin it."""
        target = self._target
        names = (target.run_id, target.pipeline, target.stream)
        if self._session.write(self._say(statements.STEP_ADDS), read, loaded, rejected, *names) == 0:
            self._session.write(
                self._say(statements.STEP_BEGINS), *names, target.table, started_at, read, loaded, rejected
            )

    def step_ends(self, status: str, error: str | None) -> bool:
        """Close the running step. False if there is none."""
        target = self._target
        names = (target.run_id, target.pipeline, target.stream)
        return self._session.write(self._say(statements.STEP_ENDS), status, error, *names) == 1

    def step_exists(self) -> bool:
        """Whether this run has a row in the run log, open or closed."""
        target = self._target
        return bool(
            self._session.rows(self._say(statements.STEP_EXISTS), target.run_id, target.pipeline, target.stream)
        )

    def steps_crashed(self) -> None:
        """Close what other runs of this stream left open."""
        target = self._target
        self._session.write(
            self._say(statements.STEPS_CRASHED), _CRASHED, target.pipeline, target.stream, target.run_id
        )

    def _say(self, sentence: str) -> str:
        return sentence.format(**self._words)


def position_text(position: Position | None) -> str | None:
    """The JSON text of a position."""
    return None if position is None else json.dumps(position.value, ensure_ascii=False)


def is_complete(position: Position | None) -> bool:
    """Whether a position ends a round; no position does not."""
    return position is not None and position.complete


def stream_row(row: tuple[Any, ...]) -> StreamRow:
    """The state row from the columns of `statements.STATE`."""
    position, complete, version, epoch, staging, rebuilding, table_name, total_rows, last_success = row
    return StreamRow(
        position=None if position is None else Position(json.loads(position), bool(complete)),
        version=int(version),
        epoch=int(epoch),
        staging=staging,
        rebuilding=bool(rebuilding),
        table_name=table_name,
        total_rows=None if total_rows is None else int(total_rows),
        last_success=moment(last_success),
    )


def moment(value: Any) -> datetime | None:
    """A time as the databases give it, in UTC."""
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(UTC) if isinstance(found, datetime) else None
