"""What `bief verify` says of one stream. Made by `run.verify`, shown by the command line."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from bief.engines.canonical import ODD
from bief.engines.comparing import Kind, Outcome, Pair, Plan
from bief.run.plan import PlannedStep

HIDDEN: Final = "(hidden)"


@dataclass(frozen=True)
class Difference:
    """One cell that differs, or one row that only one side has (then `column` is empty).

    `key`: the values of the key columns, or of all columns where there is no key.
    """

    kind: Kind
    key: Mapping[str, Any]
    column: str = ""
    source: Any = None
    destination: Any = None


@dataclass(frozen=True)
class Verdict:
    """What differs between a stream and its table. `equal` is the answer; all else explains it.

    `compared`: what was compared, in words. `source_rows`: rows as they would be loaded now, each key once (`repeated`
    rows were older versions). `missing`, `extra`, `changed`: rows that only the source has, that only the table has,
    that differ. `newer`: how many of those have a cursor later than any in the table. `later`: rows left out by
    `--until`. `not_compared`: rows of the table that the source need not have any more (mode append). `rejected`: rows
    that the guard rejects now; `unaccounted`: those of them that are not in the quarantine. `refused`: rows that were
    set aside in the middle of their load (by the database, or by a check that looks at other rows), and that are in the
    quarantine. `new_columns`: columns with values that the
    table does not have.
    """

    stream: str
    table: str
    mode: str
    compared: str
    equal: bool
    table_exists: bool
    source_rows: int
    destination_rows: int
    missing: int
    extra: int
    changed: int
    newer: int
    later: int
    repeated: int
    not_compared: int
    rejected: int
    unaccounted: int
    refused: int
    new_columns: tuple[str, ...]
    unequal_slices: int
    source_checksum: str
    destination_checksum: str
    source_read_from: datetime
    source_read_to: datetime
    last_load: datetime | None
    last_load_complete: bool
    seconds: float
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values; times and values of columns as Python has them."""
        return asdict(self)


@dataclass
class Quarantined:
    """The records of one stream that the quarantine holds, by the digest of their text."""

    _held: set[bytes] = field(default_factory=set)
    _refused: set[bytes] = field(default_factory=set)
    unaccounted: int = 0
    refused: int = 0

    @property
    def has_refused(self) -> bool:
        return bool(self._refused)

    def hold(self, raw: str, *, refused: bool) -> None:
        """The quarantine has this record; `refused`: the database did not take it."""
        self._held.add(_digest(raw))
        if refused:
            self._refused.add(_digest(raw))

    def meet(self, raw: str) -> None:
        """The guard rejects this record now."""
        self.unaccounted += _digest(raw) not in self._held

    def is_refused(self, raw: str) -> bool:
        """Whether the database refused this record; counts it."""
        found = _digest(raw) in self._refused
        self.refused += found
        return found


def verdict_of(
    step: PlannedStep,
    plan: Plan,
    outcome: Outcome,
    *,
    table_exists: bool,
    rejected: int,
    quarantined: Quarantined,
    new_columns: tuple[str, ...],
    source_read: tuple[datetime, datetime],
    last_load: tuple[datetime | None, bool],
    seconds: float,
) -> Verdict:
    """The verdict on a stream whose sides were compared."""
    faults = (outcome.missing, outcome.extra, outcome.changed, quarantined.unaccounted, len(new_columns))
    return Verdict(
        stream=step.stream.name,
        table=step.table,
        mode=step.mode,
        compared=_compared(step, plan),
        equal=not any(faults),
        table_exists=table_exists,
        source_rows=outcome.first,
        destination_rows=outcome.second,
        missing=outcome.missing,
        extra=outcome.extra,
        changed=outcome.changed,
        newer=outcome.newer,
        later=outcome.later,
        repeated=outcome.repeated,
        not_compared=outcome.not_compared,
        rejected=rejected,
        unaccounted=quarantined.unaccounted,
        refused=quarantined.refused,
        new_columns=new_columns,
        unequal_slices=outcome.slices,
        source_checksum=outcome.checksums[0],
        destination_checksum=outcome.checksums[1],
        source_read_from=source_read[0],
        source_read_to=source_read[1],
        last_load=last_load[0],
        last_load_complete=last_load[1],
        seconds=round(seconds, 3),
        differences=tuple(each for pair in outcome.pairs for each in _differences(pair, step, plan)),
    )


def _compared(step: PlannedStep, plan: Plan) -> str:
    key = f"by {', '.join(plan.key)}" if plan.key else "by all columns, each row as often as it stands there"
    if step.mode == "append":
        return f"every row of the source is in the table, {key}"
    return f"{'current versions' if step.mode == 'history' else 'all rows'}, {key}"


def _differences(pair: Pair, step: PlannedStep, plan: Plan) -> Iterator[Difference]:
    shape = step.stream.shape
    renamed = {rule.rename for rule in shape.columns.values() if rule.hidden}

    def shown(row: Mapping[str, Any], name: str) -> Any:
        odd: dict[str, str] = json.loads(row[ODD]) if row[ODD] else {}
        return HIDDEN if name in renamed or shape.hides(name) else odd.get(name, row[name])

    row = pair.first if pair.first is not None else pair.second
    if row is None:
        return
    key = {name: shown(row, name) for name in plan.key or plan.schema.names}
    if pair.first is None or pair.second is None:
        yield Difference(pair.kind, key)
        return
    first, second = ({name: _value(side, name) for name in plan.schema.names} for side in (pair.first, pair.second))
    for name in plan.schema.names:
        if not _same(first[name], second[name]):
            yield Difference(pair.kind, key, name, shown(pair.first, name), shown(pair.second, name))


def _value(row: Mapping[str, Any], name: str) -> Any:
    odd = json.loads(row[ODD]) if row[ODD] else {}
    return ("odd", odd[name]) if name in odd else row[name]


def _same(left: Any, right: Any) -> bool:
    both_nan = isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right)
    return both_nan or left == right


def _digest(raw: str) -> bytes:
    # The quarantine holds no NUL, which PostgreSQL cannot store.
    return hashlib.blake2b(raw.replace("\x00", "\\u0000").encode("utf-8", "replace"), digest_size=16).digest()
