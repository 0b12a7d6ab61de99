"""The tables of the control store, and the records that are read from them.

The destination's own ledger is the truth about rows; the control store remembers who ran what, when, with which
receipt. Written by `state.store` and `state.leases`; migrations build exactly these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import JSON, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, text

RunState = Literal["running", "success", "partial", "failed", "cancelled", "crashed"]

# All names begin with bief_: a team may keep the control store in a database that it also uses for other things.
VERSION_TABLE: Final = "bief_schema_version"

metadata: Final = MetaData()

runs: Final = Table(
    "bief_runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("pipeline", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("receipt", JSON),
    Column("error", Text, nullable=False, server_default=""),
    Index("bief_runs_by_start", "started_at"),
    # Two living runs of one pipeline cannot even be written down.
    Index(
        "bief_one_running_run",
        "pipeline",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

leases: Final = Table(
    "bief_leases",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False),
    # NULL: nobody holds the lease.
    Column("run_id", String(64)),
    Column("owner", JSON),
    # Seconds since 1970 by the clock of the database, never by that of a worker.
    Column("expires_at", Float, nullable=False),
)


versions: Final = Table(VERSION_TABLE, metadata, Column("version_num", String(32), primary_key=True))


@dataclass(frozen=True)
class RunRecord:
    """One run as the control store remembers it. `receipt` is the JSON of `run.receipt.Receipt`."""

    run_id: str
    pipeline: str
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    receipt: Mapping[str, Any] | None
    error: str
