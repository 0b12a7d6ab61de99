"""The control store: the memory of runs, in SQLite by default and in PostgreSQL by URL.

Opened by `bief.assemble`; `bief.run` writes runs into it, the command line reads them. Each call is one short
transaction, so that several processes can share the store.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from bief.base.secrets import Redactor
from bief.errors import RunError, UnknownRun
from bief.sql.sqlite.wal import use_write_ahead_log
from bief.state.records import VERSION_TABLE, RunRecord, RunState, metadata, runs, versions

_HEAD: Final = "0001"
_BUSY_TIMEOUT_SECONDS: Final = 30
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Store:
    """The runs of one project. Safe to share by threads; `close()` lets go of all connections."""

    def __init__(self, url: str, *, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self._redactor.learn(url)
        self.engine = _engine(url)

    @classmethod
    def in_folder(cls, folder: Path, *, redactor: Redactor | None = None) -> Store:
        """The embedded store: `state.db` in that folder, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'state.db'}", redactor=redactor)

    def prepare(self) -> None:
        """Bring the store to the present form. Raises RunError if it cannot be reached or is from a newer Bief."""
        with self.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('bief control store'))"))
            known = _revision(connection)
            if known == _HEAD:
                return
            if known is not None and known > _HEAD:
                raise RunError(
                    f"the control store has the form {known}, and this version of Bief knows forms up to {_HEAD}.",
                    do="Install the newer version of Bief that this store was used with.",
                )
            if known is None:
                make(connection)
            else:
                migrate(connection)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One transaction. Errors of the database come out as RunError, without secrets."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise RunError(
                f"the control store does not answer: {self._redactor.clean(' '.join(str(error.orig).split()))}",
                where=_shown(self.engine),
                do="Check `state.url` in bief.yaml, or the disk under the project's .bief folder.",
            ) from None

    def begin_run(self, run_id: str, pipeline: str, at: datetime) -> list[str]:
        """Write down that a run has begun. Whoever calls holds the lease of the pipeline.

        Returns the ids of runs of this pipeline that are still written down as running: since the lease was free
        they are dead, and are recorded as crashed.
        """
        with self.connect() as connection:
            dead = update(runs).where(runs.c.pipeline == pipeline, runs.c.state == "running")
            crashed = connection.execute(
                dead.values(state="crashed", finished_at=at, error="The process died before the run ended.").returning(
                    runs.c.run_id
                )
            )
            crashed_ids = list(crashed.scalars())
            connection.execute(insert(runs).values(run_id=run_id, pipeline=pipeline, state="running", started_at=at))
        return crashed_ids

    def finish_run(self, run_id: str, state: RunState, at: datetime, receipt: dict[str, Any], error: str) -> None:
        """Close a run with its receipt. A run that was taken for crashed in the meantime keeps that state."""
        with self.connect() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.run_id == run_id, runs.c.state == "running")
                .values(state=state, finished_at=at, receipt=receipt, error=error)
            )

    def list_runs(self, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        newest_first = select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
        with self.connect() as connection:
            return [_record(row) for row in connection.execute(newest_first)]

    def find_run(self, name: str) -> RunRecord:
        """The run with that id, or the only one whose id begins so, or the newest for `latest`. Raises UnknownRun."""
        if name == "latest":
            newest = self.list_runs(1)
            if not newest:
                raise UnknownRun("there is no run yet.", do="Start one with `bief run`.")
            return newest[0]
        prefixed = select(runs).where(runs.c.run_id.startswith(name, autoescape=True)).limit(2)
        with self.connect() as connection:
            found = [_record(row) for row in connection.execute(prefixed)]
        if len(found) == 1 or (found and found[0].run_id == name):
            return found[0]
        what = f"several runs begin with '{name}'." if found else f"there is no run '{name}'."
        raise UnknownRun(what, do="`bief runs` lists them.")

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise RunError(
            "`state.url` is not a database URL.", do="Write postgresql://user:password@host/database."
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() == "postgresql")
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    use_write_ahead_log(connection, _BUSY_TIMEOUT_SECONDS)
    for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_SECONDS * 1000}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # Reading first and writing later in one transaction fails in WAL mode when somebody wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(versions.c.version_num)).scalar_one_or_none()


def make(connection: Connection) -> None:
    """Make the tables in their present form, in a database that has none of them."""
    metadata.create_all(connection)
    connection.execute(insert(versions).values(version_num=_HEAD))


def migrate(connection: Connection) -> None:
    """Bring the tables of an older Bief to the present form, step by step."""
    # Alembic costs a quarter of a second to import, and only the first start after an upgrade needs it.
    command = importlib.import_module("alembic.command")
    config = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _shown(engine: Engine) -> str:
    return f"control store {engine.url.render_as_string(hide_password=True)}"


def _record(row: Row[Any]) -> RunRecord:
    return RunRecord(
        run_id=row.run_id,
        pipeline=row.pipeline,
        state=row.state,
        started_at=_utc(row.started_at),
        finished_at=_utc(row.finished_at) if row.finished_at else None,
        receipt=row.receipt,
        error=row.error,
    )


def _utc(moment: datetime) -> datetime:
    # SQLite stores no zone; all times here are written in UTC.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
