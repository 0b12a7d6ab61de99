"""Two sets of rows of the same columns held against each other, by an embedded DuckDB, in flat memory.

Called by `run.verify`, which feeds the two sides from two threads. Of each row DuckDB keeps a hash of its key (64 bits)
and two of its content (128 bits together, the second one over the columns in another order and over other bytes); the
rows themselves lie in a `Spool`. Keys are divided into 1,024 slices by their hash. A checksum of each slice, in which
the order of rows does not count, tells the slices that are equal; only the others are looked at row by row.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from bief.engines.canonical import canonical, canonical_schema
from bief.engines.spooling import Spool
from bief.engines.statements import (
    CHECKSUM,
    COUNTS,
    DIFFERENCES,
    LATE,
    LEFT,
    NONE_LATE,
    RIGHT,
    SAMPLE,
    UNEQUAL,
)

Scope = Literal["equal", "contained"]
Kind = Literal["missing", "extra", "changed"]
_CONFIG: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "128MB",
    "threads": "2",
}
# Another beginning shifts the eight-byte words over which DuckDB hashes a text: the second hash is another one.
_SALT: Final = "bief:"
_BATCH: Final = "bief_batch"


@dataclass(frozen=True)
class Plan:
    """What is compared. `schema`: the columns of both sides, in types of `batches.schema`. `key`: what makes two rows
    the same row; empty: whole rows are counted. `version`: of rows of the first side with one key, the one with the
    greatest value is the row (then the last). `until`: rows with a later version are left out on both sides, with
    their keys. `contained`: rows that only the second side has are no difference.
    """

    schema: pa.Schema
    key: tuple[str, ...] = ()
    version: str | None = None
    until: Any = None
    scope: Scope = "equal"


@dataclass(frozen=True)
class Pair:
    """One difference: a row of the first side, a row of the second, or both."""

    kind: Kind
    first: Mapping[str, Any] | None
    second: Mapping[str, Any] | None


@dataclass(frozen=True)
class Outcome:
    """What was found. `first` and `second` count the rows of both sides, without `repeated` (older versions of a row
    on the first side) and `later` (left out by `until`). `newer`: rows of the first side that differ and whose version
    is greater than any of the second. `slices`: how many of the 1,024 were not equal at once.
    """

    first: int
    second: int
    missing: int
    extra: int
    changed: int
    not_compared: int
    repeated: int
    later: int
    newer: int
    slices: int
    checksums: tuple[str, str]
    pairs: tuple[Pair, ...]


class Side:
    """One of the two sets of rows. Owned by one thread until the outcome is asked for."""

    def __init__(self, connection: Any, name: str, plan: Plan, folder: Path) -> None:
        self._cursor = connection.cursor()
        self._plan = plan
        schema = canonical_schema(plan.schema)
        self.spool = Spool(folder / f"{name}.arrow", schema)
        values = [_quoted(column) for column in schema.names]
        salted = [_salted(field) for field in reversed(list(schema))]
        content = f"hash({', '.join(values)})"
        key = f"hash({', '.join(map(_quoted, plan.key))})" if plan.key else content
        version = _quoted(plan.version) if plan.version else "NULL::INTEGER"
        made = f"{key} AS k, {content} AS h1, hash({', '.join(salted)}) AS h2, {version} AS v"
        empty = schema.empty_table()
        self._cursor.register(_BATCH, empty)
        self._cursor.execute(f"CREATE TABLE {name} AS SELECT {made} FROM {_BATCH}")  # noqa: S608 - quoted names
        self._cursor.execute(f"CREATE TABLE {name}_gone (k UBIGINT, place BIGINT)")
        self._insert = f"INSERT INTO {name} SELECT {made} FROM {_BATCH}"  # noqa: S608 - quoted names
        self._insert_gone = f"INSERT INTO {name}_gone SELECT {key} AS k, ? FROM {_BATCH}"  # noqa: S608 - quoted names

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return self.spool.rows

    def add(self, rows: pa.Table) -> None:
        """Add rows; columns of the plan that are not there are null, others are not looked at."""
        plain = canonical(rows, self._plan.schema)
        self._cursor.register(_BATCH, plain)
        self._cursor.execute(self._insert)
        self.spool.add(plain)

    def delete(self, keys: pa.Table) -> None:
        """Take back the rows with these keys that were added so far. `keys` has the columns of the key."""
        schema = pa.schema([self._plan.schema.field(name) for name in self._plan.key])
        self._cursor.register(_BATCH, canonical(keys, schema))
        self._cursor.execute(self._insert_gone, [self.rows])

    def close(self) -> None:
        self.spool.close()
        self._cursor.close()


class Comparison:
    """Two sides and what differs between them. `folder` is empty and private; what lies in it is of no use later."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        # By name: it costs every run a little to import, and few of them compare.
        duckdb = importlib.import_module("duckdb")
        self._connection = duckdb.connect(config={**_CONFIG, "temp_directory": str(folder / "spill")})
        self._connection.execute("SET TimeZone = 'UTC'")
        self.first = Side(self._connection, "first", plan, folder)
        self.second = Side(self._connection, "second", plan, folder)

    def outcome(self, sample: int) -> Outcome:
        """What differs, with the first `sample` differences of each kind. Both sides must be complete."""
        words, until = self._words(), self._plan.until
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(*((LATE, [until]) if until is not None else (NONE_LATE,)))
            for sentence in [each.format(**words) for each in (UNEQUAL, LEFT, RIGHT, DIFFERENCES)]:
                cursor.execute(sentence)
            counts = _only_row(cursor, COUNTS)
            first = _only_row(cursor, CHECKSUM.format(side="first", examined="s"))
            second = _only_row(cursor, CHECKSUM.format(side="second", examined="d"))
            sampled = cursor.execute(SAMPLE, [sample]).fetchall()
        return Outcome(
            first=self.first.rows - counts["repeated"] - counts["later_first"],
            second=self.second.rows - counts["later_second"],
            missing=counts["missing"],
            extra=0 if self._plan.scope == "contained" else counts["extra"],
            not_compared=counts["extra"] if self._plan.scope == "contained" else 0,
            changed=counts["changed"],
            repeated=counts["repeated"],
            later=counts["later_first"] + counts["later_second"],
            newer=counts["newer"],
            slices=counts["slices"],
            checksums=(_hexadecimal(first), _hexadecimal(second)),
            pairs=self._pairs(sampled),
        )

    def close(self) -> None:
        """Let go of everything. Can be called twice."""
        self.first.close()
        self.second.close()
        self._connection.close()

    def _words(self) -> dict[str, str]:
        if self._plan.key:
            return {"same": "k", "newest": "v DESC NULLS LAST, rowid DESC", "kept": "1", "on": "s.k = d.k"}
        # Without a key, equal rows are told apart by counting them.
        same = "s.h1 = d.h1 AND s.h2 = d.h2"
        return {"same": "h1, h2", "newest": "rowid", "kept": "9223372036854775807", "on": same}

    def _pairs(self, sampled: Sequence[tuple[Any, ...]]) -> tuple[Pair, ...]:
        wanted = [pair for pair in sampled if pair[0] != "extra" or self._plan.scope == "equal"]
        first = _rows(self.first.spool, [place for _, place, _ in wanted])
        second = _rows(self.second.spool, [place for _, _, place in wanted])
        return tuple(Pair(kind, left, right) for (kind, _, _), left, right in zip(wanted, first, second, strict=True))


def _rows(spool: Spool, places: Sequence[int | None]) -> list[dict[str, Any] | None]:
    found = iter(spool.taken([place for place in places if place is not None]))
    return [None if place is None else next(found) for place in places]


def _only_row(cursor: Any, sql: str) -> dict[str, int]:
    row = cursor.execute(sql).fetchall()[0]
    return {column[0]: int(value or 0) for column, value in zip(cursor.description or [], row, strict=True)}


def _hexadecimal(sums: Mapping[str, int]) -> str:
    return "".join(f"{each:016x}" for each in sums.values())


def _salted(field: pa.Field[Any]) -> str:
    name = _quoted(field.name)
    if pa.types.is_string(field.type):
        return f"'{_SALT}' || {name}"
    if pa.types.is_binary(field.type):
        return f"'{_SALT}'::BLOB || {name}"
    if pa.types.is_decimal(field.type):
        return f"'{_SALT}' || {name}::VARCHAR"
    # DuckDB's hash of up to eight bytes is a permutation: two values never share one.
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
