"""What MySQL or MariaDB says of a table, a view or a query. Called by `mysql_session`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from bief.errors import SourceChanged, SourceRefused
from bief.sources.database.mysql_driver import Connection
from bief.sources.database.mysql_types import ORDERED, Choices, column_of, literal, quoted
from bief.sources.database.options import DatabaseStream
from bief.sources.database.relations import Column, Relation

_TABLE: Final = """
SELECT table_type, table_rows, engine FROM information_schema.tables
WHERE table_schema = {schema} AND BINARY table_name = {table}"""
_KEYS: Final = """
SELECT index_name, column_name, nullable, sub_part FROM information_schema.statistics
WHERE table_schema = {schema} AND BINARY table_name = {table} AND non_unique = 0
ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"""
# MariaDB has no type for JSON: `json` is a longtext with this check.
_JSON_CHECKS: Final = """
SELECT check_clause FROM information_schema.check_constraints
WHERE constraint_schema = {schema} AND BINARY table_name = {table} AND check_clause LIKE 'json\\_valid(%)'"""
_JSON_CHECK: Final = re.compile(r"json_valid\(`(?P<column>(?:[^`]|``)+)`\)")
_SIMILAR: Final = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE lower(table_name) = lower({table}) ORDER BY 1, 2 LIMIT 5"""


def relation_of(
    connection: Connection, name: str, options: DatabaseStream, database: str, choices: Choices
) -> Relation:
    """The relation of a stream."""
    if options.query is not None:
        inner = f"({options.query}\n)"
        try:
            columns = _columns(connection, inner, choices, frozenset())
        except SourceChanged as error:
            raise SourceRefused(error.what, where=error.where, do="Correct the query.") from None
        twice = sorted({each.name for each in columns if [one.name for one in columns].count(each.name) > 1})
        if twice:
            raise SourceRefused(f"the query has two columns called '{twice[0]}'.", do="Name each of them with AS.")
        return Relation(name=f"the query of {name}", sql=inner, columns=columns)
    return _table(connection, options.schema_ or database, options.table or name, choices)


def _table(connection: Connection, schema: str, table: str, choices: Choices) -> Relation:
    words = {"schema": literal(schema), "table": literal(table)}
    found = connection.ask(_TABLE.format(**words))
    if not found:
        similar = ", ".join(f"{each[0]}.{each[1]}" for each in connection.ask(_SIMILAR.format(**words)))
        do = f"There is {similar}." if similar else "Correct `table` (and `schema`), or ask for the right to see it."
        raise SourceRefused(f"there is no table or view {schema}.{table}.", do=do)
    kind, rows, _ = found[0]
    checked = connection.ask(_JSON_CHECKS.format(**words)) if _is_mariadb(connection) else []
    matches = [_JSON_CHECK.fullmatch(str(clause)) for (clause,) in checked]
    json_names = frozenset(match["column"].replace("``", "`") for match in matches if match)
    sql = f"{quoted(schema)}.{quoted(table)}"
    columns = _columns(connection, sql, choices, json_names)
    key = _key(connection.ask(_KEYS.format(**words)), columns) if kind == "BASE TABLE" else ()
    return Relation(f"{schema}.{table}", sql, columns, key, None if rows is None else int(rows))


def _columns(connection: Connection, sql: str, choices: Choices, json_names: frozenset[str]) -> tuple[Column, ...]:
    _, fields = connection.described(f"SELECT * FROM {sql} AS bief_rows LIMIT 0")  # noqa: S608 - quoted, or the user's own
    return tuple(column_of(field.name, field, choices, is_json=field.name in json_names) for field in fields)


def _key(found: Sequence[tuple[Any, ...]], columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns of the first index by which a read can go on: whole, never null, and in the order of comparison."""
    ordered = {column.name for column in columns if column.type_sql in ORDERED}
    for index in dict.fromkeys(row[0] for row in found):
        parts = [row for row in found if row[0] == index]
        if all(name in ordered and nullable != "YES" and part is None for _, name, nullable, part in parts):
            return tuple(name for _, name, _, _ in parts)
    return ()


def _is_mariadb(connection: Connection) -> bool:
    return "mariadb" in str(connection.ask("SELECT VERSION()")[0][0]).lower()
