"""Sources for the conformance suite: each offer is one stream of one kind of source, and what it must give.

A new kind of source adds its offers to `OFFERS`; the tests of `conformance/source_suite` need nothing else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mariadb_server
from file_sources import FILE_OFFERS, offered_files
from rest_sources import rest
from scripted_api import Asked, Reply, ScriptedApi, reply

from bief.ports.runtime import Runtime
from bief.sources.database.mysql import MysqlSource
from bief.sources.database.sqlalchemy import SqlalchemySource
from bief.sources.database.sqlite import SqliteSource
from bief.sources.python import PythonSource
from bief.testing import CANARY, Offer

Opening = Callable[[Runtime], contextlib.AbstractContextManager[Offer]]
ROWS = 37


def _api(asked: Asked) -> Reply:
    """Parents at /parents, changes at /changes; everywhere else a list, by page or by cursor, also below a parent."""
    rows = [{"id": number, "u": f"2026-01-{number % 28 + 1:02}"} for number in range(ROWS)]
    if asked.path == "/changes":
        rows = [
            {"id": 1, "operation": "update", "u": "2026-02-01"},
            {"id": 2, "operation": "delete", "u": "2026-02-02"},
        ]
    elif asked.path == "/parents":
        rows = [{"id": number} for number in range(5)]
    elif asked.path.startswith("/of/"):
        rows = [{"id": int(asked.path.split("/")[2]) * 100 + number} for number in range(7)]
    size = int(asked.query.get("limit", "4"))
    start = (int(asked.query["page"]) - 1) * size if "page" in asked.query else int(asked.query.get("after", "0"))
    more = start + size < len(rows)
    return reply({"items": rows[start : start + size], "more": more, "next": start + size if more else None})


_PAGE = {"type": "page", "size_param": "limit", "size": 4}
_CURSOR = {"type": "cursor", "cursor_param": "after", "next_cursor": "next", "has_more": "more"}
_FEED = {"path": "/changes", "since_param": "since", "time": "u", "details": {"param": "ids"}, "pagination": _CURSOR}


def _rest(streams: dict[str, Any], ids: Sequence[Any]) -> Opening:
    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        auth = {"type": "api_key", "key": CANARY, "param": "key"}
        options = {**streams, "offered": {"batch_rows": 5, "primary_key": "id", **streams["offered"]}}
        with ScriptedApi(_api) as api, rest(api, streams=options, runtime=runtime, auth=auth) as source:
            yield Offer(source, "offered", ids)

    return opened


_ALL = range(ROWS)
_PYTHON = """
import bief, pyarrow as pa
ROWS = [{"id": number, "at": f"2026-01-01T00:00:{number:02}Z"} for number in range(37)]
def records(checkpoint, secrets):
    for page in range(checkpoint["page"] if checkpoint else 0, 8):
        yield from ROWS[page * 5 : page * 5 + 5]
        yield bief.Checkpoint({"page": page + 1})
def changed(since):
    return [row for row in ROWS if since is None or row["at"] >= since]
def tables():
    yield pa.Table.from_pylist(ROWS)
"""


def _python(function: str, **stream: Any) -> Opening:
    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        (runtime.folder / "rows.py").write_text(_PYTHON, encoding="utf-8")
        offered = {"function": function, "primary_key": "id", "batch_rows": 5, **stream}
        words = {"file": "rows.py", "streams": {"offered": offered}, "secrets": {"token": CANARY}}
        yield Offer(PythonSource("mine", PythonSource.Options.model_validate(words), runtime), "offered", _ALL)

    return opened


def _sqlite(definition: str, **stream: Any) -> Opening:
    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        with contextlib.closing(sqlite3.connect(runtime.folder / "shop.db")) as connection, connection:
            connection.execute(f"CREATE TABLE offered {definition}")
            connection.executemany("INSERT INTO offered VALUES (?, ?)", [(number, number) for number in _ALL])
        words = {"path": "shop.db", "streams": {"offered": {"primary_key": "id", "batch_rows": 5, **stream}}}
        yield Offer(SqliteSource("shop", SqliteSource.Options.model_validate(words), runtime), "offered", _ALL)

    return opened


def _sqlalchemy(definition: str, **stream: Any) -> Opening:
    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        with _sqlite(definition)(runtime):
            streams = {"offered": {"primary_key": "id", "batch_rows": 5, **stream}}
            words = {"url": f"sqlite:///{runtime.folder}/shop.db", "streams": streams}
            source = SqlalchemySource("shop", SqlalchemySource.Options.model_validate(words), runtime)
            yield Offer(source, "offered", _ALL)
            source.close()

    return opened


def _mysql(definition: str, **stream: Any) -> Opening:
    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        with mariadb_server.fresh_database(mariadb_server.server_url()) as url:
            mariadb_server.execute(
                url,
                f"CREATE TABLE offered {definition}",
                f"INSERT INTO offered VALUES {', '.join(f'({number}, {number})' for number in _ALL)}",
                f"CREATE OR REPLACE USER reader IDENTIFIED BY '{CANARY}'",
                "GRANT SELECT ON *.* TO reader",
            )
            words = {
                "url": url.replace("root", f"reader:{CANARY}"),
                "streams": {"offered": {"primary_key": "id", "batch_rows": 5, **stream}},
            }
            yield Offer(MysqlSource("shop", MysqlSource.Options.model_validate(words), runtime), "offered", _ALL)

    return opened


OFFERS: dict[str, Opening] = {
    "rest, by page": _rest({"offered": {"path": "/list", "pagination": _PAGE}}, _ALL),
    "rest, by cursor": _rest({"offered": {"path": "/list", "pagination": _CURSOR}}, _ALL),
    "rest, incremental": _rest(
        {"offered": {"path": "/list", "pagination": _CURSOR, "incremental": {"cursor": "u"}}}, _ALL
    ),
    "rest, change feed": _rest({"offered": {"path": "/list", "pagination": _CURSOR, "change_feed": _FEED}}, _ALL),
    "rest, for each": _rest(
        {
            "offered": {
                "path": "/of/{parent}",
                "pagination": _CURSOR,
                "for_each": {"stream": "parents", "as": "parent"},
            },
            "parents": {"path": "/parents", "pagination": _PAGE},
        },
        [parent * 100 + number for parent in range(5) for number in range(7)],
    ),
    "python, with checkpoints": _python("records"),
    "python, all or nothing": _python("changed", cursor="at"),
    "python, tables": _python("tables"),
    "sqlite, with a key": _sqlite("(id INTEGER PRIMARY KEY, at INTEGER)"),
    "sqlite, without a key": _sqlite("(id INTEGER, at INTEGER)"),
    "sqlite, with a cursor": _sqlite("(id INTEGER PRIMARY KEY, at INTEGER)", cursor="at"),
    **{f"files, {ending}": offered_files(ending) for ending in FILE_OFFERS},
    "files, all of them each time": offered_files("csv", incremental=False),
    "sqlalchemy, with a key": _sqlalchemy("(id INTEGER PRIMARY KEY, at INTEGER)"),
    "sqlalchemy, without a key": _sqlalchemy("(id INTEGER, at INTEGER)"),
    "sqlalchemy, with a cursor": _sqlalchemy("(id INTEGER PRIMARY KEY, at INTEGER)", cursor="at"),
    "mysql, with a key": _mysql("(id INT PRIMARY KEY, at INT)"),
    "mysql, without a key": _mysql("(id INT, at INT)"),
    "mysql, with a key of text": _mysql("(id INT, at VARCHAR(9) CHARACTER SET latin1, PRIMARY KEY (id, at))"),
    "mysql, with a cursor": _mysql("(id INT PRIMARY KEY, at INT UNSIGNED)", cursor="at"),
}
