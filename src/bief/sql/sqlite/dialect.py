"""The words of SQLite, whose columns declare the type that Bief means and hold exact values.

SQLite keeps any declared type name and derives only an affinity from it: a name with TEXT in it keeps texts as they
are, so decimals and times lose nothing, and the catalog tells the logical type back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bief.sql.dialect import Dialect

NOW_FUNCTION: Final = "bief_now"
DECIMAL_COLLATION: Final = "bief_decimal"

_COLUMNS: Final = "SELECT name, type FROM pragma_table_info($1)"
# A column declared INTEGER PRIMARY KEY is the row id itself and has no index of its own: the second half finds it.
_UNIQUE_KEYS: Final = """
SELECT list.name, info.name FROM pragma_index_list($1) AS list, pragma_index_info(list.name) AS info
WHERE list."unique" = 1 AND list.partial = 0
UNION ALL SELECT '', name FROM pragma_table_info($1) WHERE pk > 0"""


@dataclass(frozen=True, kw_only=True)
class SqliteDialect(Dialect):
    """See `sql.dialect.Dialect`."""

    schema: str | None = None
    max_identifier_bytes: int = 255
    now: str = f"{NOW_FUNCTION}()"
    clock: str = "strftime('%Y-%m-%d %H:%M:%f000Z', 'now')"
    distinct: str = "{left} IS NOT {right}"
    columns_query: str = _COLUMNS
    keys_query: str = _UNIQUE_KEYS

    def ordered(self, value: str, arrow_type: pa.DataType) -> str:
        return f"{value} COLLATE {DECIMAL_COLLATION}" if pa.types.is_decimal(arrow_type) else value

    def widened(self, value: str, old: pa.DataType, new: pa.DataType) -> str:
        if not pa.types.is_decimal(new):
            return f"CAST({value} AS REAL)" if pa.types.is_floating(new) else f"CAST({value} AS TEXT)"
        scale = old.scale if pa.types.is_decimal(old) else 0
        zeros = "0" * (new.scale - scale)
        point = "." if zeros and scale == 0 else ""
        return f"CAST({value} AS TEXT) || '{point}{zeros}'"


SQLITE: Final = SqliteDialect(
    types={
        "text": "TEXT",
        "integer": "BIGINT",
        "float": "REAL",
        "decimal": "DECIMAL_TEXT",
        "boolean": "BOOLEAN",
        "date": "DATE_TEXT",
        "timestamp": "TIMESTAMP_TEXT",
        "datetime": "DATETIME_TEXT",
        "json": "JSON_TEXT",
        "binary": "BLOB",
    },
    also={"INTEGER": "integer", "INT": "integer", "VARCHAR": "text", "DOUBLE": "float"},
)
