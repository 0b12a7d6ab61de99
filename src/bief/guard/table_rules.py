"""What a table must keep as a whole, at the end of a round and before its commit. Called by `guard.checks`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from bief.config.checks import CheckOptions, Freshness, RowCount
from bief.errors import CheckFailed
from bief.ports.destination import Loader


def wrong_with_table(options: CheckOptions, loader: Loader, now: datetime) -> str:
    """Why a check of the table does not hold; empty if it does. Raises `CheckFailed` if it cannot be told."""
    if options.row_count:
        return _wrong_count(options.row_count, loader.measure().rows)
    return _stale(options.freshness, loader, now) if options.freshness else ""


def _wrong_count(rule: RowCount, rows: int) -> str:
    if rule.min is not None and rows < rule.min:
        return f"the table has {rows} rows, and at least {rule.min} are wanted"
    if rule.max is not None and rows > rule.max:
        return f"the table has {rows} rows, and at most {rule.max} are allowed"
    return ""


def _stale(rule: Freshness, loader: Loader, now: datetime) -> str:
    if loader.schema is not None and rule.column not in loader.schema.names:
        raise CheckFailed(f"the table has no column '{rule.column}'.", do="Correct the check.")
    newest = loader.measure([rule.column]).greatest[rule.column]
    if newest is None:
        return f"no row has a value in '{rule.column}'"
    moment = _moment(newest)
    if moment is None:
        raise CheckFailed(f"the column '{rule.column}' holds no times and no dates.", do="Correct the check.")
    if now - moment <= rule.age:
        return ""
    return f"the newest '{rule.column}' is {newest.isoformat()}, which is more than {rule.max_age} ago"


def _moment(value: Any) -> datetime | None:
    """A time without a zone is taken for UTC, and a date for its beginning."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None
