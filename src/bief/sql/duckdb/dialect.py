"""The words of DuckDB."""

from __future__ import annotations

from typing import Final

from bief.sql.dialect import Dialect

_COLUMNS: Final = """
SELECT c.column_name, c.data_type FROM duckdb_columns() AS c JOIN duckdb_tables() AS t USING (table_oid, schema_oid)
WHERE c.database_name = current_database() AND t.database_name = current_database()
    AND c.schema_name = 'main' AND c.table_name = $1
ORDER BY c.column_index"""

# No unique index on the primary key: DuckDB checks those too eagerly inside a transaction, so merging is done by
# MERGE INTO, under the lock that lets one load write at a time.
DUCKDB: Final = Dialect(
    schema=None,
    max_identifier_bytes=255,
    types={
        "text": "VARCHAR",
        "integer": "BIGINT",
        "float": "DOUBLE",
        "decimal": "DECIMAL",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "datetime": "TIMESTAMP",
        "json": "JSON",
        "binary": "BLOB",
    },
    also={"INTEGER": "integer", "SMALLINT": "integer", "TINYINT": "integer", "FLOAT": "float"},
    now="now()",
    clock="now()",
    columns_query=_COLUMNS,
    keys_query="",
    unique_keys=False,
    merge_statement=True,
    takes_back_statements=False,
)
