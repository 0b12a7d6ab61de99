"""What the guard asks of a destination's tables inside an open load: which values are there, and how much.

Called by `sql.loading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from bief.batches.schema import BOOLEAN, INTEGER
from bief.ports.destination import Measured
from bief.sql import statements
from bief.sql.names import IS_CURRENT, LOAD_ID
from bief.sql.session import Session
from bief.sql.tables import Table

_KEYS: Final = "bief_keys"
# Bief's own columns that can be asked for.
_OWN: Final = {LOAD_ID: INTEGER, IS_CURRENT: BOOLEAN}


def found_in(session: Session, table: Table | None, keys: pa.Table, columns: Sequence[str]) -> pa.Table | None:
    """The distinct rows of `table` whose key columns stand in a row of `keys`. See `Loader.lookup`."""
    names = list(dict.fromkeys([*keys.column_names, *columns]))
    if table is None:
        return None
    types = {**table.columns, **{name: kind for name, kind in _OWN.items() if name in table.own}}
    if not set(names) <= set(types):
        return None
    wanted = pa.schema([pa.field(name, types[name]) for name in names])
    if keys.num_rows == 0:
        return wanted.empty_table()
    dialect = session.dialect
    session.stage(_KEYS, keys)
    try:
        return session.table(
            statements.FOUND.format(
                columns=dialect.names(names, "t"),
                table=dialect.table(table.name),
                stage=dialect.temporary(_KEYS),
                same_key=" AND ".join(f"t.{dialect.quote(key)} = s.{dialect.quote(key)}" for key in keys.column_names),
            ),
            wanted,
        )
    finally:
        session.unstage(_KEYS)


def measured(session: Session, table: Table | None, columns: Sequence[str]) -> Measured:
    """How many rows a table has, and the greatest value of some columns (None where it lacks the column)."""
    if table is None:
        return Measured(0, dict.fromkeys(columns))
    dialect = session.dialect
    known = [name for name in columns if name in table.columns]
    greatest = "".join(f", max({dialect.quote(name)}) AS {dialect.quote(f'g{n}')}" for n, name in enumerate(known))
    types = [pa.field("rows", pa.int64()), *(pa.field(f"g{n}", table.columns[name]) for n, name in enumerate(known))]
    sentence = statements.MEASURE.format(greatest=greatest, table=dialect.table(table.name))
    row = session.table(sentence, pa.schema(types)).to_pylist()[0]
    return Measured(row["rows"], {**dict.fromkeys(columns), **{name: row[f"g{n}"] for n, name in enumerate(known)}})
