"""The road of a load into an SQL database: one transaction, from `begin` over `write` for each part to `end`.

Made by a destination's `loader()`, called by `run.ingest`. The protocol is that of docs/guarantees.md: the ledger
first, then the state under lock, then everything that the load makes visible, then the state again. What the steps
say to the database stands in `bookkeeping`, `tables`, `writing`, `refusals`, `looking` and `publishing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from bief.base.failpoints import failpoint
from bief.batches.batch import Position
from bief.errors import Fenced
from bief.ports.destination import Committed, Load, Measured, Target, Written
from bief.ports.records import TakenBack
from bief.sql.accounting import check_balance, check_load, check_rows
from bief.sql.bookkeeping import Books, StreamRow, is_complete
from bief.sql.looking import found_in, measured
from bief.sql.publishing import publish
from bief.sql.quarantine import Quarantine
from bief.sql.refusals import may_refuse, write_or_refuse
from bief.sql.rounds import begin_round
from bief.sql.session import Session, transaction
from bief.sql.tables import Table, Tables
from bief.sql.taking_back import TakingBack
from bief.sql.taking_over import take_over
from bief.sql.totals import Totals
from bief.sql.writing import Writer


@dataclass
class _OpenLoad:
    """The load whose transaction is open: its row in the ledger, the state it started from, and what it did so far."""

    batch_id: str
    load_id: int
    state: StreamRow
    quarantine: Quarantine
    table: Table | None
    totals: Totals
    may_refuse: bool | None = None


class SqlLoader:
    """Loads one stream in one run. See `ports.destination.Loader`.

    `turn` lets the loaders of one process take turns where the database has one writer.
    """

    def __init__(
        self,
        session: Session,
        tables: Tables,
        target: Target,
        *,
        rebuild: bool,
        as_it_stands: bool,
        turn: AbstractContextManager[Any],
    ) -> None:
        self._session = session
        self._tables = tables
        self._target = target
        self._turn = turn
        self._lock = f"{target.pipeline}\x1f{target.stream}"
        self._books = Books(session, target)
        self._open: _OpenLoad | None = None
        self._transaction = ExitStack()
        with transaction(session, turn, self._lock):
            failpoint("take_over.after_begin")
            taken = take_over(self._books, tables, target, rebuild=rebuild, as_it_stands=as_it_stands)
            failpoint("take_over.before_commit")
            session.commit()
        failpoint("take_over.after_commit")
        self._state, self._schema, self._started_at = taken.state, taken.schema, taken.started_at
        self._resumed = self._state.position is not None and not self._state.position.complete

    @property
    def position(self) -> Position | None:
        return self._state.position

    @property
    def resumed(self) -> bool:
        return self._resumed

    @property
    def schema(self) -> pa.Schema | None:
        if self._open is not None and self._open.table is not None:
            return self._open.table.schema
        return self._schema

    # -- a load

    def begin(self, batch_id: str) -> Committed | None:
        if self._open is not None:
            return None
        self._transaction.enter_context(self._turn)
        with self._taken_back():
            self._session.begin(self._lock)
            failpoint("load.after_begin")
            load_id = self._books.claim(batch_id, self._state.epoch)
            if load_id is None:
                return self._landed_before(batch_id)
            failpoint("load.after_claim")
            state = self._must_be_mine(self._books.state(lock=True))
            failpoint("load.after_state")
            quarantine = Quarantine(self._session, self._target, load_id)
            self._open = _OpenLoad(batch_id, load_id, state, quarantine, None, Totals())
        return None

    def write(self, load: Load) -> Written:
        check_load(load, self._target)
        with self._taken_back():
            opened = self._must_be_open(load.batch_id)
            opened.table = self._ready_table(load, opened)
            failpoint("load.after_ddl")
            written = self._write(load, opened)
            rejected = opened.quarantine.reject([*load.rejected, *written.refused])
            failpoint("load.after_rejects")
            rejected += opened.quarantine.restate(load.still_rejected)
            opened.quarantine.release(load.released)
            failpoint("load.after_release")
            check_balance(load, loaded=written.loaded, superseded=written.superseded, rejected=rejected)
            opened.totals.add(load, written, rejected)
        return written

    def lookup(self, table: str, keys: pa.Table, columns: Sequence[str] = ()) -> pa.Table | None:
        with self._taken_back():
            place = self._tables.read(table)
            if table == self._target.table and self._open is not None:
                place = self._open.table or self._tables.read(self._state.staging or table)
            return found_in(self._session, place, keys, columns)

    def measure(self, columns: Sequence[str] = ()) -> Measured:
        with self._taken_back():
            table = self._open.table if self._open is not None else None
            return measured(self._session, table or self._tables.read(self._into), columns)

    def end(self, position: Position | None) -> Committed:
        with self._taken_back():
            opened = self._must_be_open()
            table = opened.table
            if is_complete(position):
                table = self._publish(opened)
            elif position is None and table is not None:
                self._books.counted(self._tables.count(table.name))
            failpoint("load.after_publish")
            totals = opened.totals
            self._books.record(totals, position, opened.state, opened.load_id)
            self._books.step_adds(totals.read, totals.loaded, totals.rejected, self._started_at)
            if position is None or position.complete:
                self._books.step_ends("success", None)
            failpoint("load.after_counts")
            advanced = self._advance(opened.state, position or opened.state.position)
            failpoint("load.before_commit")
            self._session.commit()
            self._state, self._schema = advanced, table.schema if table else self._schema_without(opened)
            self._leave()
        failpoint("load.after_commit")
        return Committed(opened.load_id, totals.loaded, totals.superseded, totals.deleted, totals.refused)

    def take_back(self, run_id: str) -> TakenBack:
        with transaction(self._session, self._turn, self._lock):
            undoing = TakingBack(self._session, self._tables, self._target, run_id)
            run = undoing.run()
            if run.rolled_back:
                self._session.rollback()
                return TakenBack(run.loaded, run.rejected)
            state = self._must_be_mine(self._books.state(lock=True))
            taken = undoing.rows(run)
            self._state = undoing.books(state)
            failpoint("take_back.before_commit")
            self._session.commit()
        failpoint("take_back.after_commit")
        return taken

    def rollback(self) -> None:
        if self._open is not None:
            self._session.rollback()
            self._leave()

    def commit(self, load: Load) -> Committed:
        if load.position is None:
            raise ValueError("a load that is committed needs a position")
        landed = self.begin(load.batch_id)
        if landed is not None:
            return landed
        self.write(load)
        return self.end(load.position)

    def fail(self, error: str, *, cancelled: bool = False) -> None:
        self.rollback()
        status = "cancelled" if cancelled else "failed"
        with transaction(self._session, self._turn, self._lock):
            if not self._books.step_ends(status, error) and not self._books.step_exists():
                self._books.step_adds(0, 0, 0, self._started_at)
                self._books.step_ends(status, error)
            failpoint("fail.before_commit")
            self._session.commit()
        failpoint("fail.after_commit")

    def close(self) -> None:
        self.rollback()
        self._session.close()

    # -- its parts

    @contextmanager
    def _taken_back(self) -> Iterator[None]:
        """Any error takes the whole load back."""
        try:
            yield
        except BaseException:
            self._session.rollback()
            self._leave()
            raise

    def _leave(self) -> None:
        """The transaction has ended: nothing is open, and others have their turn."""
        self._open = None
        self._transaction.close()

    @property
    def _into(self) -> str:
        return self._state.staging or self._target.table

    def _must_be_open(self, batch_id: str | None = None) -> _OpenLoad:
        if self._open is None or batch_id not in (None, self._open.batch_id):
            raise ValueError(f"no load {batch_id or ''} is open")
        return self._open

    def _landed_before(self, batch_id: str) -> Committed:
        """The ledger has this load: take its counts, and the state that it led to if the stream is still ours."""
        committed = self._books.landed(batch_id)
        state = self._books.state()
        if state is not None and state.epoch == self._state.epoch:
            table = self._tables.read(state.staging or self._target.table)
            self._state, self._schema = state, table.schema if table else None
        self._session.rollback()
        self._leave()
        return committed

    def _must_be_mine(self, state: StreamRow | None) -> StreamRow:
        mine = self._state
        if state is None or (state.epoch, state.version) != (mine.epoch, mine.version):
            raise Fenced(
                f"another run has taken over the stream {self._target.stream} of {self._target.pipeline}.",
                do="This run wrote nothing more; look at the newer run.",
            )
        return state

    def _ready_table(self, load: Load, opened: _OpenLoad) -> Table | None:
        """The table that the rows go into, made or changed as the load asks. None if there is nothing to hold."""
        if opened.table is None:
            table = begin_round(self._tables, self._target, self._state, load, opened.load_id)
        else:
            table = self._tables.change(opened.table, load.changes)
        if table is not None:
            check_rows(load, table)
        return table

    def _write(self, load: Load, opened: _OpenLoad) -> Written:
        if opened.table is None:
            return Written()
        writer = Writer(self._session, self._target, opened.table, opened.load_id)
        if opened.may_refuse is None:
            opened.may_refuse = may_refuse(self._session, opened.table.name)
        written = write_or_refuse(self._session, writer, load) if opened.may_refuse else writer.write(load.rows)
        failpoint("load.after_rows")
        deleted = writer.delete(load.deleted) if load.deleted is not None else 0
        failpoint("load.after_deletes")
        return replace(written, deleted=deleted)

    def _publish(self, opened: _OpenLoad) -> Table | None:
        table = publish(self._tables, self._target, opened.state.staging, opened.table, opened.load_id)
        self._books.finish(self._tables.count(self._target.table) if table else 0)
        return table

    def _schema_without(self, opened: _OpenLoad) -> pa.Schema | None:
        """A load that wrote nothing leaves the columns as they were."""
        return self._schema if not opened.totals.parts else None

    def _advance(self, state: StreamRow, position: Position | None) -> StreamRow:
        staging, rebuilding = (None, False) if is_complete(position) else (state.staging, state.rebuilding)
        if not self._books.advance(state, position, staging=staging, rebuilding=rebuilding):
            raise Fenced(f"the state of the stream {self._target.stream} was changed while this load was written.")
        return replace(state, position=position, version=state.version + 1, staging=staging, rebuilding=rebuilding)
