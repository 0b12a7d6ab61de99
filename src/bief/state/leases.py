"""Leases: at most one living run for each pipeline.

A lease lasts 15 s and is renewed every 5 s; both are measured by the clock of the database. A run that died on this
very machine is recognised at once, by its process. The lease is politeness: what makes two runs safe is the epoch in
the destination, which is compared inside each commit.
"""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, Connection, Float, literal_column, or_, select, update

from bief.errors import AlreadyRunning
from bief.state.records import leases
from bief.state.store import Store

LEASE_SECONDS: Final = 15.0
RENEW_SECONDS: Final = 5.0
GIVE_UP_SECONDS: Final = 10.0
_NOW: Final = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())",
}


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
        self._now = literal_column(_NOW[store.engine.dialect.name], Float)

    def acquire(self, pipeline: str, run_id: str) -> Lease:
        """Take the lease. Raises AlreadyRunning, naming the holder, while a living run holds it."""
        with self._store.connect() as connection:
            lease = self._take(connection, pipeline, run_id)
            if lease is None and self._evict_dead_holder(connection, pipeline):
                lease = self._take(connection, pipeline, run_id)
            if lease is None:
                raise self._refusal(connection, pipeline)
        return lease

    def renew(self, lease: Lease) -> bool:
        """Keep the lease for another while. False: it is held by somebody else now."""
        with self._store.connect() as connection:
            renewed = connection.execute(
                update(leases).where(*_held_by(lease)).values(expires_at=self._now + LEASE_SECONDS)
            )
        return bool(renewed.rowcount)

    def release(self, lease: Lease) -> None:
        """Give the lease back, so that the next run need not wait."""
        with self._store.connect() as connection:
            connection.execute(update(leases).where(*_held_by(lease)).values(run_id=None, owner=None, expires_at=0.0))

    def _take(self, connection: Connection, pipeline: str, run_id: str) -> Lease | None:
        # By name, since the PostgreSQL dialect brings all its drivers' modules along.
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
        values = {"run_id": run_id, "owner": asdict(self._owner), "expires_at": self._now + LEASE_SECONDS}
        take = (
            dialect.insert(leases)
            .values(pipeline=pipeline, epoch=1, **values)
            .on_conflict_do_update(
                index_elements=[leases.c.pipeline],
                set_={**values, "epoch": leases.c.epoch + 1},
                where=or_(leases.c.run_id.is_(None), leases.c.expires_at < self._now),
            )
            .returning(leases.c.epoch)
        )
        epoch = connection.execute(take).scalar_one_or_none()
        return None if epoch is None else Lease(pipeline, run_id, epoch)

    def _evict_dead_holder(self, connection: Connection, pipeline: str) -> bool:
        holder = connection.execute(select(leases).where(leases.c.pipeline == pipeline)).one()
        if holder.owner is None or not Owner(**holder.owner).is_dead():
            return False
        evicted = connection.execute(
            update(leases)
            .where(leases.c.pipeline == pipeline, leases.c.epoch == holder.epoch)
            .values(run_id=None, owner=None, expires_at=0.0)
        )
        return bool(evicted.rowcount)

    def _refusal(self, connection: Connection, pipeline: str) -> AlreadyRunning:
        left = (leases.c.expires_at - self._now).label("left")
        row = connection.execute(select(leases, left).where(leases.c.pipeline == pipeline)).one()
        holder = f"run {row.run_id} ({Owner(**row.owner)})" if row.owner else "a run that has just ended"
        return AlreadyRunning(
            f"pipeline '{pipeline}' is being run by {holder}.",
            do=f"Wait until that run ends, or stop it; if it is dead, its lease ends in {max(0, round(row.left))} s.",
        )


def _held_by(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return (leases.c.pipeline == lease.pipeline, leases.c.epoch == lease.epoch, leases.c.run_id == lease.run_id)


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
