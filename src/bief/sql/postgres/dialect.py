"""The words of PostgreSQL."""

from __future__ import annotations

from typing import Final

from bief.sql.dialect import Dialect

_COLUMNS: Final = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""

_UNIQUE_KEYS: Final = """
SELECT i.indexrelid::bigint, a.attname::text
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
    AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts"""


# Rules of the user's own, by which the server may refuse a row that fits its columns.
_RULES: Final = """
SELECT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x'))
    OR EXISTS (SELECT 1 FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
    OR EXISTS (SELECT 1 FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attnotnull OR y.typtype = 'd'))
    OR EXISTS (SELECT 1 FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisunique AND x.relname NOT LIKE '\\_bief\\_key\\_%')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"""


def postgres_dialect(schema: str) -> Dialect:
    """The dialect of a PostgreSQL server, for tables in one schema."""
    return Dialect(
        schema=schema,
        max_identifier_bytes=63,
        types={
            "text": "text",
            "integer": "bigint",
            "float": "double precision",
            "decimal": "numeric",
            "boolean": "boolean",
            "date": "date",
            "timestamp": "timestamp with time zone",
            "datetime": "timestamp without time zone",
            "json": "jsonb",
            "binary": "bytea",
        },
        also={"character varying": "text", "integer": "integer", "smallint": "integer", "real": "float"},
        now="now()",
        clock="clock_timestamp()",
        loaded_at_default="now()",
        xid="pg_current_xact_id()::text::bigint",
        for_update=" FOR UPDATE",
        columns_query=_COLUMNS,
        keys_query=_UNIQUE_KEYS,
        rules_query=_RULES,
        row_id="ctid",
        temporary_schema="pg_temp",
    )
