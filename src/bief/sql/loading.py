"""The road of a load into an SQL database: one transaction, whose steps are the verbs of `SqlLoader._land`.

Made by a destination's `loader()`, called by `run.ingest`. The protocol is that of docs/guarantees.md: the ledger
first, then the state under lock, then everything that the load makes visible, then the state again. What the steps
say to the database stands in `bookkeeping`, `tables`, `writing` and `publishing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from bief.base.failpoints import failpoint
from bief.batches.batch import Position
from bief.errors import DestinationRefused, Fenced
from bief.ports.destination import Committed, Load, Target
from bief.sql.accounting import check_balance, check_load, check_rows
from bief.sql.bookkeeping import Books, Landed, StreamRow
from bief.sql.publishing import publish
from bief.sql.rounds import Round, begin_round
from bief.sql.session import Session
from bief.sql.tables import Table, Tables
from bief.sql.writing import Writer, Written


@contextmanager
def transaction(session: Session, turn: AbstractContextManager[Any], lock: str) -> Iterator[None]:
    """A writing transaction that is taken back on any error. The body commits."""
    with turn:
        session.begin(lock)
        try:
            yield
        except BaseException:
            session.rollback()
            raise


class SqlLoader:
    """Loads one stream in one run. See `ports.destination.Loader`.

    `turn` lets the loaders of one process take turns where the database has one writer.
    """

    def __init__(
        self, session: Session, tables: Tables, target: Target, *, rebuild: bool, turn: AbstractContextManager[Any]
    ) -> None:
        self._session = session
        self._tables = tables
        self._target = target
        self._turn = turn
        self._lock = f"{target.pipeline}\x1f{target.stream}"
        self._books = Books(session, target)
        self._state, self._schema, self._started_at = self._take_over(rebuild=rebuild)
        self._resumed = self._state.position is not None and not self._state.position.complete

    @property
    def position(self) -> Position | None:
        return self._state.position

    @property
    def resumed(self) -> bool:
        return self._resumed

    @property
    def schema(self) -> pa.Schema | None:
        return self._schema

    def commit(self, load: Load) -> Committed:
        check_load(load, self._target)
        with transaction(self._session, self._turn, self._lock):
            committed = self._land(load)
        failpoint("load.after_commit")
        return committed

    def fail(self, error: str, *, cancelled: bool = False) -> None:
        status = "cancelled" if cancelled else "failed"
        with transaction(self._session, self._turn, self._lock):
            if not self._books.step_ends(status, error) and not self._books.step_exists():
                self._books.step_adds(0, 0, 0, self._started_at)
                self._books.step_ends(status, error)
            failpoint("fail.before_commit")
            self._session.commit()
        failpoint("fail.after_commit")

    def close(self) -> None:
        self._session.close()

    def _land(self, load: Load) -> Committed:
        """The protocol. Everything between `begin` and `commit` becomes visible together or not at all."""
        books = self._books
        failpoint("load.after_begin")
        load_id = books.claim(load.batch_id, self._state.epoch)
        if load_id is None:
            return self._landed_before(load)
        failpoint("load.after_claim")
        state = self._must_be_mine(books.state(lock=True))
        failpoint("load.after_state")
        table = self._ready_table(load, load_id)
        failpoint("load.after_ddl")
        written, deleted = self._write(load, table, load_id)
        rejected = books.reject(load.rejected, load_id)
        failpoint("load.after_rejects")
        check_balance(load, loaded=written.loaded, superseded=written.superseded, rejected=rejected)
        if load.position.complete:
            table = publish(self._tables, self._target, state.staging, table, load_id)
            books.finish(self._tables.count(self._target.table) if table else 0)
        failpoint("load.after_publish")
        landed = Landed(load_id, written.loaded, written.superseded, deleted)
        books.record(load, landed, rejected)
        books.step_adds(load.read, written.loaded, rejected, self._started_at)
        if load.position.complete:
            books.step_ends("success", None)
        failpoint("load.after_counts")
        advanced = self._advance(state, load)
        failpoint("load.before_commit")
        self._session.commit()
        self._state, self._schema = advanced, table.schema if table else None
        return Committed(load_id, landed.loaded, landed.superseded, landed.deleted)

    def _landed_before(self, load: Load) -> Committed:
        """The ledger has this load: take its counts, and the state that it led to if the stream is still ours."""
        landed = self._books.landed(load.batch_id)
        state = self._books.state()
        if state is not None and state.epoch == self._state.epoch:
            table = self._tables.read(state.staging or self._target.table)
            self._state, self._schema = state, table.schema if table else None
        self._session.rollback()
        return Committed(landed.load_id, landed.loaded, landed.superseded, landed.deleted, landed_before=True)

    def _must_be_mine(self, state: StreamRow | None) -> StreamRow:
        mine = self._state
        if state is None or (state.epoch, state.version) != (mine.epoch, mine.version):
            raise Fenced(
                f"another run has taken over the stream {self._target.stream} of {self._target.pipeline}.",
                do="This run wrote nothing more; look at the newer run.",
            )
        return state

    def _ready_table(self, load: Load, load_id: int) -> Table | None:
        """The table that the rows go into, made or changed as the load asks. None if there is nothing to hold."""
        into = begin_round(self._tables, self._target, self._state, load, load_id)
        if into is None:
            return None
        check_rows(load, into)
        return into

    def _write(self, load: Load, table: Table | None, load_id: int) -> tuple[Written, int]:
        if table is None:
            return Written(), 0
        writer = Writer(self._session, self._target, table, load_id)
        written = writer.write(load.rows)
        failpoint("load.after_rows")
        deleted = writer.delete(load.deleted) if load.deleted is not None else 0
        failpoint("load.after_deletes")
        return written, deleted

    def _advance(self, state: StreamRow, load: Load) -> StreamRow:
        complete = load.position.complete
        staging, rebuilding = (None, False) if complete else (state.staging, state.rebuilding)
        if not self._books.advance(state, load.position, staging=staging, rebuilding=rebuilding):
            raise Fenced(f"the state of the stream {self._target.stream} was changed while this load was written.")
        return replace(state, position=load.position, version=state.version + 1, staging=staging, rebuilding=rebuilding)

    def _take_over(self, *, rebuild: bool) -> tuple[StreamRow, pa.Schema | None, Any]:
        """Fence older runs and read where the stream was left: one transaction, queued behind an unfinished commit."""
        books = self._books
        with transaction(self._session, self._turn, self._lock):
            failpoint("take_over.after_begin")
            books.make_state()
            old = books.state(lock=True)
            if old is None:
                raise DestinationRefused(f"the state of the stream {self._target.stream} cannot be written.")
            plan = Round.planned(self._tables, self._target, old, rebuild=rebuild)
            books.take_over(position=plan.position, staging=plan.staging, rebuilding=plan.rebuilding)
            books.steps_crashed()
            state = books.state()
            started_at = books.now()
            failpoint("take_over.before_commit")
            self._session.commit()
        failpoint("take_over.after_commit")
        if state is None:
            raise DestinationRefused(f"the state of the stream {self._target.stream} cannot be read.")
        return state, plan.schema, started_at
