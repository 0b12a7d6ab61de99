"""Leases: at most one living run for each pipeline.

A lease lasts 15 s and is renewed every 5 s; both are measured by the clock of the database. A run that died on this
very machine is recognised at once, by its process. The lease is politeness: what makes two runs safe is the epoch in
the destination, which is compared inside each commit.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bief.errors import AlreadyRunning
from bief.state.database import Transaction
from bief.state.records import document
from bief.state.store import Store

LEASE_SECONDS: Final = 15.0
RENEW_SECONDS: Final = 5.0
GIVE_UP_SECONDS: Final = 10.0

# {now} is the clock of the database.
_TAKE: Final = """
INSERT INTO bief_leases (pipeline, epoch, run_id, owner, expires_at)
VALUES (:pipeline, 1, :run_id, :owner, {now} + :seconds)
ON CONFLICT (pipeline) DO UPDATE SET epoch = bief_leases.epoch + 1, run_id = excluded.run_id, owner = excluded.owner,
    expires_at = excluded.expires_at
WHERE bief_leases.run_id IS NULL OR bief_leases.expires_at < {now}
RETURNING epoch"""
_RENEW: Final = """
UPDATE bief_leases SET expires_at = {now} + :seconds
WHERE pipeline = :pipeline AND epoch = :epoch AND run_id = :run_id"""
_RELEASE: Final = """
UPDATE bief_leases SET run_id = NULL, owner = NULL, expires_at = 0
WHERE pipeline = :pipeline AND epoch = :epoch AND run_id = :run_id"""
_EVICT: Final = """
UPDATE bief_leases SET run_id = NULL, owner = NULL, expires_at = 0 WHERE pipeline = :pipeline AND epoch = :epoch"""
_HOLDER: Final = """
SELECT epoch, run_id, owner, expires_at - {now} AS seconds_left FROM bief_leases WHERE pipeline = :pipeline"""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from every other one: its machine, that machine's last start, its id and its start."""

    host: str
    boot: str
    pid: int
    start: str

    @classmethod
    def this_process(cls) -> Owner:
        return cls(socket.gethostname(), _boot_id(), os.getpid(), _process_start(os.getpid()))

    def is_dead(self) -> bool:
        """Whether this process is certainly gone. False where that cannot be known: on another machine."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot_id():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return _process_start(self.pid) != self.start

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True)
class Lease:
    """The right to run one pipeline, as long as it is renewed."""

    pipeline: str
    run_id: str
    epoch: int


class Leases:
    """Takes, renews and gives back leases in the control store."""

    def __init__(self, store: Store, owner: Owner | None = None) -> None:
        self._store = store
        self._owner = owner or Owner.this_process()

    def acquire(self, pipeline: str, run_id: str) -> Lease:
        """Take the lease. Raises AlreadyRunning, naming the holder, while a living run holds it."""
        with self._store.connect() as transaction:
            lease = self._take(transaction, pipeline, run_id)
            if lease is None and self._evict_dead_holder(transaction, pipeline):
                lease = self._take(transaction, pipeline, run_id)
            if lease is None:
                raise self._refusal(transaction, pipeline)
        return lease

    def renew(self, lease: Lease) -> bool:
        """Keep the lease for another while. False: it is held by somebody else now."""
        with self._store.connect() as transaction:
            return bool(transaction.write(self._say(_RENEW), **asdict(lease), seconds=LEASE_SECONDS))

    def release(self, lease: Lease) -> None:
        """Give the lease back, so that the next run need not wait."""
        with self._store.connect() as transaction:
            transaction.write(_RELEASE, **asdict(lease))

    def _take(self, transaction: Transaction, pipeline: str, run_id: str) -> Lease | None:
        owner = json.dumps(asdict(self._owner))
        taken = transaction.rows(self._say(_TAKE), pipeline=pipeline, run_id=run_id, owner=owner, seconds=LEASE_SECONDS)
        return Lease(pipeline, run_id, int(taken[0]["epoch"])) if taken else None

    def _evict_dead_holder(self, transaction: Transaction, pipeline: str) -> bool:
        holder = self._holder(transaction, pipeline)
        owner = document(holder["owner"])
        if owner is None or not Owner(**owner).is_dead():
            return False
        return bool(transaction.write(_EVICT, pipeline=pipeline, epoch=holder["epoch"]))

    def _refusal(self, transaction: Transaction, pipeline: str) -> AlreadyRunning:
        row = self._holder(transaction, pipeline)
        owner = document(row["owner"])
        holder = f"run {row['run_id']} ({Owner(**owner)})" if owner else "a run that has just ended"
        left = max(0, round(row["seconds_left"]))
        return AlreadyRunning(
            f"pipeline '{pipeline}' is being run by {holder}.",
            do=f"Wait until that run ends, or stop it; if it is dead, its lease ends in {left} s.",
        )

    def _holder(self, transaction: Transaction, pipeline: str) -> dict[str, Any]:
        return transaction.rows(self._say(_HOLDER), pipeline=pipeline)[0]

    def _say(self, sentence: str) -> str:
        return sentence.format(now=self._store.database.now)


def _boot_id() -> str:
    return _first_line(Path("/proc/sys/kernel/random/boot_id"))


def _process_start(pid: int) -> str:
    # Field 22 of /proc/PID/stat; the second field is a name in parentheses that may hold spaces.
    return next(iter(_first_line(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[19:20]), "")


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not Linux: the process id alone decides
        return ""
