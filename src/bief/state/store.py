"""The control store: the memory of runs, in SQLite by default and in PostgreSQL by URL.

Opened by `bief.assemble`; `bief.run` writes runs into it, the command line reads them. Each call is one short
transaction, so that several processes can share the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bief.base.secrets import Redactor
from bief.errors import RunError, UnknownRun
from bief.state.database import DatabaseFailed, Transaction, database_at, migrations
from bief.state.records import RunRecord, RunState

_VERSION: Final = "bief_schema_version"
_MAKE_VERSION: Final = f"CREATE TABLE {_VERSION} (version_num text PRIMARY KEY)"
_KNOWN_VERSION: Final = f"SELECT version_num FROM {_VERSION}"  # noqa: S608 - a constant
_FORGET_VERSION: Final = f"DELETE FROM {_VERSION}"  # noqa: S608 - a constant
_NEW_VERSION: Final = f"INSERT INTO {_VERSION} (version_num) VALUES (:version)"  # noqa: S608 - a constant

_CRASHED: Final = """
UPDATE bief_runs SET state = 'crashed', finished_at = :at, error = 'The process died before the run ended.'
WHERE pipeline = :pipeline AND state = 'running' RETURNING run_id"""
_BEGIN: Final = """
INSERT INTO bief_runs (run_id, pipeline, state, started_at) VALUES (:run_id, :pipeline, 'running', :at)"""
_FINISH: Final = """
UPDATE bief_runs SET state = :state, finished_at = :at, receipt = :receipt, error = :error
WHERE run_id = :run_id AND state = 'running'"""
_RUNS: Final = "SELECT run_id, pipeline, state, started_at, finished_at, receipt, error FROM bief_runs"
_LATEST: Final = f"{_RUNS} ORDER BY started_at DESC, run_id DESC LIMIT :limit"
_BY_BEGINNING: Final = f"{_RUNS} WHERE substr(run_id, 1, length(:name)) = :name LIMIT 2"


class Store:
    """The runs of one project. Safe to share by threads; `close()` lets go of all connections."""

    def __init__(self, url: str, *, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self._redactor.learn(url)
        self.database = database_at(url)

    @classmethod
    def in_folder(cls, folder: Path, *, redactor: Redactor | None = None) -> Store:
        """The embedded store: `state.db` in that folder, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'state.db'}", redactor=redactor)

    def prepare(self) -> None:
        """Bring the store to the present form. Raises RunError if it cannot be reached or is from a newer Bief."""
        steps = list(migrations())
        newest = steps[-1][0]
        with self.connect() as transaction:
            self.database.lock(transaction)
            known = self._version(transaction)
            if known > newest:
                raise RunError(
                    f"the control store has the form {known}, and this version of Bief knows forms up to {newest}.",
                    do="Install the newer version of Bief that this store was used with.",
                )
            for version, statements in steps:
                if version > known:
                    for statement in statements:
                        transaction.write(statement)
            if known < newest:
                transaction.write(_FORGET_VERSION)
                transaction.write(_NEW_VERSION, version=newest)

    @contextmanager
    def connect(self) -> Iterator[Transaction]:
        """One transaction. Errors of the database come out as RunError, without secrets."""
        try:
            with self.database.transaction() as transaction:
                yield transaction
        except DatabaseFailed as error:
            raise RunError(
                f"the control store does not answer: {self._redactor.clean(' '.join(str(error).split()))}",
                where=f"control store {self.database.shown}",
                do="Check `state.url` in bief.yaml, or the disk under the project's .bief folder.",
            ) from None

    def begin_run(self, run_id: str, pipeline: str, at: datetime) -> list[str]:
        """Write down that a run has begun. Whoever calls holds the lease of the pipeline.

        Returns the ids of runs of this pipeline that are still written down as running: since the lease was free
        they are dead, and are recorded as crashed.
        """
        with self.connect() as transaction:
            crashed = transaction.rows(_CRASHED, pipeline=pipeline, at=at)
            transaction.write(_BEGIN, run_id=run_id, pipeline=pipeline, at=at)
        return [row["run_id"] for row in crashed]

    def finish_run(self, run_id: str, state: RunState, at: datetime, receipt: dict[str, Any], error: str) -> None:
        """Close a run with its receipt. A run that was taken for crashed in the meantime keeps that state."""
        with self.connect() as transaction:
            transaction.write(
                _FINISH, run_id=run_id, state=state, at=at, receipt=json.dumps(receipt, default=str), error=error
            )

    def list_runs(self, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        with self.connect() as transaction:
            return [RunRecord.read(row) for row in transaction.rows(_LATEST, limit=limit)]

    def find_run(self, name: str) -> RunRecord:
        """The run with that id, or the only one whose id begins so, or the newest for `latest`. Raises UnknownRun."""
        if name == "latest":
            newest = self.list_runs(1)
            if not newest:
                raise UnknownRun("there is no run yet.", do="Start one with `bief run`.")
            return newest[0]
        with self.connect() as transaction:
            found = [RunRecord.read(row) for row in transaction.rows(_BY_BEGINNING, name=name)]
        if len(found) == 1 or (found and found[0].run_id == name):
            return found[0]
        what = f"several runs begin with '{name}'." if found else f"there is no run '{name}'."
        raise UnknownRun(what, do="`bief runs` lists them.")

    def close(self) -> None:
        self.database.close()

    def _version(self, transaction: Transaction) -> str:
        """The form of the tables; empty while there are none."""
        if not self.database.has_table(transaction, _VERSION):
            transaction.write(_MAKE_VERSION)
        return next((str(row["version_num"]) for row in transaction.rows(_KNOWN_VERSION)), "")
