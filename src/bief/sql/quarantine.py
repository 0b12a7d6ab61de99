"""The quarantine of a destination: what is asked of the rows in it, and what a load does to them.

`Quarantine` works inside the transaction of a load, for `sql.loading`; `rejected_rows` and `rejected_counts` answer
`bief quarantine` through `sql.destination`, outside of any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from bief.batches.batch import RejectedRow
from bief.errors import DestinationRefused
from bief.ports.destination import Target
from bief.ports.records import QuarantineCount, QuarantinedRow, QuarantineFilter
from bief.sql import statements
from bief.sql.bookkeeping import QUARANTINE, moment
from bief.sql.dialect import Dialect
from bief.sql.session import Row, Session

_STAGE: Final = "bief_released"
_Read = Callable[..., list[Row]]


class Quarantine:
    """The quarantine as one load changes it."""

    def __init__(self, session: Session, target: Target, load_id: int) -> None:
        self._session = session
        self._target = target
        self._load_id = load_id
        self._kept = 0

    def reject(self, rejected: Sequence[RejectedRow]) -> int:
        """Keep rejected rows, whose ids go on over the parts of the load. Gives how many the database wrote."""
        if not rejected:
            return 0
        target, load_id, count = self._target, self._load_id, len(rejected)
        ordinals = range(self._kept + 1, self._kept + count + 1)
        self._kept += count
        rows = pa.table(
            {
                "rejected_id": [f"{load_id}-{ordinal}" for ordinal in ordinals],
                "load_id": pa.array([load_id] * count, pa.int64()),
                "ordinal": pa.array(ordinals, pa.int64()),
                "run_id": [target.run_id] * count,
                "pipeline": [target.pipeline] * count,
                "stream": [target.stream] * count,
                "table_name": [target.table] * count,
                "origin": _texts(row.origin for row in rejected),
                "rule": _texts(row.rule for row in rejected),
                "column_name": _texts(row.column for row in rejected),
                "reason": _texts(row.reason for row in rejected),
                "raw": _texts(row.raw for row in rejected),
            }
        )
        return self._session.append(QUARANTINE, rows)

    def release(self, ids: Sequence[str]) -> None:
        """Let rows go that are loaded now. Raises `DestinationRefused` unless each of them was still there."""
        if not ids:
            return
        gone = self._said(statements.RELEASE, pa.table({"rejected_id": pa.array(ids, pa.string())}))
        if gone != len(ids):
            raise DestinationRefused(
                f"{len(ids) - gone} of {len(ids)} rows are not in the quarantine of {self._target.stream} any more.",
                do="Somebody else took them meanwhile; nothing was loaded. Try again.",
            )

    def restate(self, still: Mapping[str, RejectedRow]) -> int:
        """Give rows that stay the reasons of today. Gives their number, whether or not their reasons have changed."""
        if still:
            rows = {
                "rejected_id": pa.array(list(still), pa.string()),
                "rule": _texts(row.rule for row in still.values()),
                "column_name": _texts(row.column for row in still.values()),
                "reason": _texts(row.reason for row in still.values()),
            }
            self._said(statements.RESTATE, pa.table(rows))
        return len(still)

    def _said(self, sentence: str, rows: pa.Table) -> int:
        """Say a sentence about the rows of the quarantine that are named in `rows`."""
        dialect = self._session.dialect
        self._session.stage(_STAGE, rows)
        written = self._session.write(
            sentence.format(quarantine=dialect.table(QUARANTINE), stage=dialect.temporary(_STAGE))
        )
        self._session.unstage(_STAGE)
        return written


def rejected_rows(
    read: _Read, dialect: Dialect, which: QuarantineFilter, *, after: str, limit: int
) -> list[QuarantinedRow]:
    """See `ports.destination.Destination.rejected_rows`."""
    start = _parts(after) if after else (which.since_load - 1, 2**63 - 1)
    conditions, values = _conditions(which, list(start))
    sentence = statements.QUARANTINED.format(
        quarantine=dialect.table(QUARANTINE), conditions=conditions, limit=int(limit)
    )
    return [_quarantined(row) for row in read(sentence, *values)]


def rejected_counts(read: _Read, dialect: Dialect, which: QuarantineFilter) -> list[QuarantineCount]:
    """See `ports.destination.Destination.rejected_counts`."""
    conditions, values = _conditions(which, [which.since_load - 1])
    sentence = statements.QUARANTINE_COUNTS.format(quarantine=dialect.table(QUARANTINE), conditions=conditions)
    return [
        QuarantineCount(str(pipeline), stream, rule, int(rows))
        for pipeline, stream, rule, rows in read(sentence, *values)
    ]


def _conditions(which: QuarantineFilter, values: list[Any]) -> tuple[str, list[Any]]:
    """What a filter asks for, as conditions that follow others with their values."""
    wanted = {"pipeline": which.pipeline, "stream": which.stream, "run_id": which.run_id, "rule": which.rule}
    conditions = ""
    for column, value in wanted.items():
        if value is not None:
            values.append(value)
            conditions += f" AND {column} = ${len(values)}"
    if which.ids:
        blanks = ", ".join(f"${len(values) + number}" for number in range(1, len(which.ids) + 1))
        conditions += f" AND rejected_id IN ({blanks})"
        values += which.ids
    return conditions, values


def _parts(rejected_id: str) -> tuple[int, int]:
    load_id, _, ordinal = rejected_id.partition("-")
    return int(load_id), int(ordinal)


def _quarantined(row: Row) -> QuarantinedRow:
    rejected_id, load_id, run_id, pipeline, stream, table, origin, rule, reason, raw, column, rejected_at = row
    return QuarantinedRow(
        id=rejected_id,
        load_id=int(load_id),
        run_id=run_id,
        pipeline=pipeline,
        stream=stream,
        table=table,
        rejected=RejectedRow(origin=origin, rule=rule, reason=reason, raw=raw, column=column),
        rejected_at=moment(rejected_at) or datetime.min.replace(tzinfo=UTC),
    )


def _texts(values: Iterable[str]) -> Any:
    # PostgreSQL holds no NUL in text: a rejected record may be rejected for just that, and must still be kept.
    return pa.array([value.replace("\x00", "\\u0000") for value in values], pa.string())
