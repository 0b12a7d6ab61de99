"""What is read from the control store.

The destination's own ledger is the truth about rows; the control store remembers who ran what, when, with which
receipt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

RunState = Literal["running", "success", "partial", "failed", "cancelled", "crashed"]


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

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """The record of a row of bief_runs."""
        moments = {name: moment(row[name]) for name in ("started_at", "finished_at")}
        return cls(**{**row, **moments, "receipt": document(row["receipt"])})


def moment(value: Any) -> datetime | None:
    """A stored time. SQLite keeps it as text without a zone: all of them are written in UTC."""
    stored = datetime.fromisoformat(value) if isinstance(value, str) else value
    if stored is None:
        return None
    return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


def document(value: Any) -> Any:
    """A stored JSON value. SQLite keeps it as text."""
    return json.loads(value) if isinstance(value, str) else value
