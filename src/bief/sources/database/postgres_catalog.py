"""What the catalog of PostgreSQL says of a table, a view or a query. Called by `postgres_session`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bief.errors import SourceRefused
from bief.sources.database.options import DatabaseStream
from bief.sources.database.postgres_types import CatalogType, column_of, quoted
from bief.sources.database.relations import Column, Relation

# Asks a question and gives its rows.
Ask = Callable[..., list[tuple[Any, ...]]]

_RELATION: Final = """
SELECT c.oid::bigint, c.relkind::text, c.reltuples::bigint, c.relkind = 'r' AND c.relhassubclass,
    has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
_OF_TABLE: Final = """
SELECT a.attnum::bigint AS place, a.attname::text AS name, a.atttypid AS declared, a.atttypmod AS declared_modifier
FROM pg_attribute AS a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped"""
_OF_QUERY: Final = """
SELECT place, '' AS name, declared, -1 AS declared_modifier
FROM unnest(ARRAY[{oids}]::oid[]) WITH ORDINALITY AS given (declared, place)"""
_COLUMNS: Final = """
WITH RECURSIVE given AS ({given}), resolved AS (
    SELECT place, name, declared, declared_modifier, declared AS type, declared_modifier AS modifier FROM given
    UNION ALL
    SELECT r.place, r.name, r.declared, r.declared_modifier, t.typbasetype,
        CASE WHEN t.typtypmod <> -1 THEN t.typtypmod ELSE r.modifier END
    FROM resolved AS r JOIN pg_type AS t ON t.oid = r.type WHERE t.typtype = 'd'
)
SELECT r.name, format_type(r.declared, r.declared_modifier), t.typname::text,
    t.typnamespace = 'pg_catalog'::regnamespace,
    CASE WHEN t.typcategory = 'A' THEN 'A' WHEN t.typtype = 'c' THEN 'C' ELSE '' END, r.modifier::bigint
FROM resolved AS r JOIN pg_type AS t ON t.oid = r.type WHERE t.typtype <> 'd' ORDER BY r.place"""
# Unique indexes whose columns are all NOT NULL, and compared in the index as they are in a query.
_KEYS: Final = """
SELECT i.indexrelid::bigint, a.attname::text
FROM pg_index AS i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND k.place <= i.indnkeyatts AND NOT EXISTS (
        SELECT FROM unnest(i.indkey) WITH ORDINALITY AS o (attnum, place)
        JOIN pg_attribute AS b ON b.attrelid = i.indrelid AND b.attnum = o.attnum
        WHERE o.place <= i.indnkeyatts
            AND (NOT b.attnotnull OR (i.indcollation::oid[])[o.place - 1] IS DISTINCT FROM b.attcollation))
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.place"""
_SIMILAR: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE lower(c.relname) = lower($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1 LIMIT 5"""


def relation_of(
    ask: Ask, names_of: Callable[[str], list[str]], name: str, options: DatabaseStream, schema: str
) -> Relation:
    """The relation of a stream. `names_of` gives the names of the columns of a SELECT."""
    if options.query is not None:
        return _query(ask, names_of, name, options.query)
    return _table(ask, options.schema_ or schema, options.table or name)


def _table(ask: Ask, schema: str, table: str) -> Relation:
    found = ask(_RELATION, schema, table)
    if not found:
        _refuse_unknown(ask, schema, table)
    oid, kind, rows, has_children, readable = found[0]
    if not readable:
        raise SourceRefused(
            f"the user may not read {schema}.{table}.",
            do=f"GRANT USAGE ON SCHEMA {quoted(schema)} and GRANT SELECT ON {quoted(schema)}.{quoted(table)} to it.",
        )
    # A key of a parent does not hold for the rows of its children.
    key = () if has_children or kind not in {"r", "p"} else _key(ask(_KEYS.format(oid=int(oid))))
    return Relation(
        name=f"{schema}.{table}",
        sql=f"{quoted(schema)}.{quoted(table)}",
        columns=_columns(ask(_COLUMNS.format(given=_OF_TABLE.format(oid=int(oid))))),
        key=key,
        # Before version 14, a table that was never looked at has 0.
        rows=int(rows) if rows > 0 and kind in {"r", "p", "m"} else None,
    )


def _query(ask: Ask, names_of: Callable[[str], list[str]], name: str, query: str) -> Relation:
    # On a line of its own: the query may end in a comment.
    inner = f"({query}\n)"
    names = names_of(f"SELECT * FROM {inner} AS q LIMIT 0")  # noqa: S608 - the query is the user's own
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise SourceRefused(f"the query has two columns called '{twice[0]}'.", do="Give each column a name with AS.")
    places = [f"c{place}" for place in range(len(names))]
    types = ", ".join(f"pg_typeof({place})::oid::bigint" for place in places)
    # No row of the query is made: the join has no match, and so gives one row of NULLs that have types.
    sentence = f"SELECT {types} FROM (SELECT 1) AS one LEFT JOIN {inner} AS q ({', '.join(places)}) ON false"  # noqa: S608 - as above
    oids = ", ".join(str(int(oid)) for oid in ask(sentence)[0])
    described = ask(_COLUMNS.format(given=_OF_QUERY.format(oids=oids)))
    named = [(own, *rest[1:]) for own, rest in zip(names, described, strict=True)]
    return Relation(name=f"the query of {name}", sql=inner, columns=_columns(named))


def _columns(described: Sequence[tuple[Any, ...]]) -> tuple[Column, ...]:
    return tuple(column_of(name, CatalogType(*rest)) for name, *rest in described)


def _key(found: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """The columns of the first index."""
    return tuple(name for index, name in found if index == found[0][0])


def _refuse_unknown(ask: Ask, schema: str, table: str) -> None:
    similar = [str(row[0]) for row in ask(_SIMILAR, table.rpartition(".")[2])]
    if similar:
        do = f"There is {', '.join(similar)}: write the table as the database spells it, and its schema in `schema`."
    else:
        do = "Correct `table` (and `schema`) in the project file, or ask for the right to see it."
    raise SourceRefused(f"there is no table or view {schema}.{table}.", do=do)
