"""What a SQLite file says of a table, a view or a query. Called by `sqlite_session`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from bief.errors import SourceRefused
from bief.sources.database.options import DatabaseStream
from bief.sources.database.relations import Relation
from bief.sources.database.sqlite_types import affinity, column_of, quoted

# Asks a question and gives its rows.
Ask = Callable[..., list[tuple[Any, ...]]]

_OBJECT: Final = "SELECT type, sql FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')"
_SIMILAR: Final = """
SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
ORDER BY lower(name) = lower(?) DESC, name LIMIT 8"""
_COLUMNS: Final = 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid'
_INDEXES: Final = """
SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial ORDER BY origin = 'pk' DESC, seq"""
_INDEX_COLUMNS: Final = "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno"
_COLLATED: Final = re.compile(r"\bcollate\b", re.IGNORECASE)
_VIEW: Final = "bief_query"


def relation_of(ask: Ask, name: str, options: DatabaseStream) -> Relation:
    """The relation of a stream."""
    if options.query is not None:
        # A view of this connection only: it knows the declared types of its columns.
        ask(f"DROP VIEW IF EXISTS temp.{_VIEW}")
        ask(f"CREATE TEMP VIEW {_VIEW} AS SELECT * FROM (\n{options.query}\n)")  # noqa: S608 - the query is the user's own
        columns = ask(_COLUMNS, _VIEW)
        named = tuple(column_of(str(column), str(declared)) for column, declared, *_ in columns)
        return Relation(name=f"the query of {name}", sql=_VIEW, columns=named)
    return _table(ask, options.table or name, options.schema_)


def _table(ask: Ask, table: str, schema: str | None) -> Relation:
    found = ask(_OBJECT, table) if schema in {None, "main"} else []
    if not found:
        similar = ", ".join(str(name) for (name,) in ask(_SIMILAR, table))
        do = f"There is {similar}." if similar else "The file has no tables."
        raise SourceRefused(f"there is no table or view {table}{f' in {schema}' if schema else ''}.", do=do)
    kind, sql = found[0]
    described = ask(_COLUMNS, table)
    columns = tuple(column_of(str(name), str(declared)) for name, declared, *_ in described)
    is_table = kind == "table" and not str(sql).upper().startswith("CREATE VIRTUAL")
    key = _key(ask, table, described, str(sql)) if is_table else ()
    return Relation(name=table, sql=quoted(table), columns=columns, key=key)


def _key(ask: Ask, table: str, described: list[tuple[Any, ...]], sql: str) -> tuple[str, ...]:
    """The columns of a key by which a read can go on: in the order of an index, and each of one kind of value."""
    declared = {name: str(type_sql) for name, type_sql, *_ in described}
    in_key = [name for name, _, _, place in described if place]
    if len(in_key) == 1 and declared[in_key[0]].upper() == "INTEGER" and not _is_index_of(ask, table, in_key[0]):
        return (in_key[0],)
    if _COLLATED.search(sql):
        # ORDER BY and the index may then order differently.
        return ()
    never_null = {name for name, _, not_null, _ in described if not_null}
    if "WITHOUT ROWID" in sql.upper():
        never_null |= set(in_key)
    for (index,) in ask(_INDEXES, table):
        columns = [name for name, _ in ask(_INDEX_COLUMNS, index)]
        if set(columns) <= never_null and all(_is_of_one_kind(ask, table, name, declared[name]) for name in columns):
            return tuple(columns)
    return ()


def _is_index_of(ask: Ask, table: str, column: str) -> bool:
    """Whether the primary key has an index of its own: then it is not another name of the rowid."""
    primary = ask("SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'", table)
    return any(name == column for (index,) in primary for name, _ in ask(_INDEX_COLUMNS, index))


def _is_of_one_kind(ask: Ask, table: str, column: str, declared: str) -> bool:
    kinds = {"INTEGER": "integer", "TEXT": "text"}
    kind = kinds.get(affinity(declared))
    if kind is None:
        return False
    odd = f"SELECT EXISTS (SELECT 1 FROM {quoted(table)} WHERE typeof({quoted(column)}) <> '{kind}')"  # noqa: S608 - quoted
    return not ask(odd)[0][0]
