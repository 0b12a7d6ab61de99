"""Changes of type in SQLite, which has no ALTER COLUMN: the table is made anew under the same name.

These are the steps that SQLite's documentation gives for it: make the new table, copy, drop, rename, make indexes
and triggers again. The rename runs in the legacy way, or it would refuse because of the views that read the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from bief.errors import DestinationRefused
from bief.sql.tables import Table, Tables

_COLUMNS: Final = 'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info($1)'
_MADE_BY_HAND: Final = "SELECT sql FROM sqlite_schema WHERE tbl_name = $1 AND type IN ('index', 'trigger') AND sql > ''"
_REFERRING: Final = """
SELECT DISTINCT m.name FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' AND lower(f."table") = lower($1)"""
_WIDER: Final = "_bief_wider"


class SqliteTables(Tables):
    """See `sql.tables.Tables`."""

    def retype(self, table: Table, types: Mapping[str, tuple[pa.DataType, str]]) -> None:
        session, dialect = self._session, self._session.dialect
        referring = [str(row[0]) for row in session.rows(_REFERRING, table.name)]
        if referring:
            raise DestinationRefused(
                f"the type of {', '.join(types)} in {table.name} cannot change: {', '.join(referring)} refers to it.",
                do="Drop that foreign key, or declare the column's type in the project file as it is in the table.",
            )
        again = [str(row[0]) for row in session.rows(_MADE_BY_HAND, table.name)]
        columns = session.rows(_COLUMNS, table.name)
        key = [dialect.quote(str(row[0])) for row in sorted(columns, key=lambda row: int(row[4])) if row[4]]
        definitions, values = [], []
        for name, declared, not_null, default, _ in columns:
            column = dialect.quote(str(name))
            arrow_type, value = types.get(str(name), (None, column))
            kind = dialect.type_sql(arrow_type) if arrow_type is not None else str(declared)
            definitions.append(
                f"{column} {kind}" + (" NOT NULL" if not_null else "") + (f" DEFAULT ({default})" if default else "")
            )
            values.append(value)
        if key:
            definitions.append(f"PRIMARY KEY ({', '.join(key)})")
        place, wider = dialect.table(table.name), dialect.table(_WIDER)
        session.run(f"CREATE TABLE {wider} ({', '.join(definitions)})")
        session.run(f"INSERT INTO {wider} SELECT {', '.join(values)} FROM {place}")  # noqa: S608 - names only
        session.run(f"DROP TABLE {place}")
        session.run("PRAGMA legacy_alter_table = ON")
        session.run(f"ALTER TABLE {wider} RENAME TO {dialect.quote(table.name)}")
        session.run("PRAGMA legacy_alter_table = OFF")
        for statement in again:
            session.run(statement)
