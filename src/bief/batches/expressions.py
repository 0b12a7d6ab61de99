"""SQL expressions over the rows of a batch, in the dialect of DuckDB: the check `expression`.

`columns_of` is asked by `config.checks`, before any I/O; `Expressions` by `guard.checks`, one for each run of a stream.
DuckDB sees the rows and nothing else: no file, no network, no other table, no setting that could be changed.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column

_ROWS: Final = "bief_rows"
_SANDBOX: Final = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "threads": "1",
}
_PARSED: Final = "SELECT json_serialize_sql($1)"
# "Parser Error: syntax error at or near "x"", and then a picture of the place, which is not that of the user's text.
_FIRST_LINE: Final = re.compile(r"^(?:[A-Z][A-Za-z ]* Error: )?(?P<words>[^\n]*)")
_REFUSED_CLASSES: Final = {
    "SUBQUERY": "a subquery: a check sees one row and no table",
    "WINDOW": "a window function: a check sees one row and not its neighbours",
    "PARAMETER": "a parameter: there is nothing to put in its place",
    "STAR": "a star: name the columns",
}


class ExpressionError(ValueError):
    """An expression that cannot be used, with a sentence that says why."""


def columns_of(expression: str) -> list[str]:
    """The columns that an expression names, in their order. Raises `ExpressionError` if it is not one expression over
    the columns of a row."""
    with _Connection() as connection:
        text = connection.execute(_PARSED, [_selected(expression)]).fetchall()[0][0]
    parsed = json.loads(text)
    if parsed.get("error"):
        raise ExpressionError(f"is not an SQL expression: {_plainly(parsed['error_message'])}")
    statements = parsed["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    select = node.get("select_list", ())
    # A comma between two expressions makes a row of them.
    if len(select) != 1 or not _is_bare(node) or select[0].get("function_name") == "row":
        raise ExpressionError("is not one SQL expression, such as amount >= 0")
    named: dict[str, None] = {}
    for part in _parts(select[0]):
        if part.get("class") in _REFUSED_CLASSES:
            raise ExpressionError(f"has {_REFUSED_CLASSES[part['class']]}")
        if part.get("class") == "COLUMN_REF":
            if len(part["column_names"]) > 1:
                raise ExpressionError(f"names '{'.'.join(part['column_names'])}': write a column without its table")
            named[part["column_names"][0]] = None
    return list(named)


class Expressions:
    """Computes expressions over batches, with one connection for all of them. Owned by one thread."""

    def __init__(self) -> None:
        self._connection = _Connection()

    def truth(self, expression: str, rows: pa.Table) -> Column:
        """True, false or null for each row. Raises `ExpressionError`."""
        duckdb = self._connection.duckdb
        cursor = self._connection.open()
        cursor.register(_ROWS, rows)
        try:
            # The expression is the user's own SQL; DuckDB sees the rows and nothing else.
            sql = f"{_selected(expression)} FROM {_ROWS}"
            found = cursor.execute(sql).to_arrow_table().column(0)
        except duckdb.Error as error:
            raise ExpressionError(f"cannot be computed: {_plainly(str(error))}") from None
        finally:
            cursor.unregister(_ROWS)
        if found.type != pa.bool_():
            raise ExpressionError(f"gives values of type {found.type}, and not true or false")
        if len(found) != rows.num_rows:
            raise ExpressionError("gives one value for all rows (an aggregate), and not one for each")
        return found

    def close(self) -> None:
        """Let go of the connection. Can be called twice."""
        self._connection.close()


class _Connection:
    """A database in memory without any way out of it, made when it is first needed."""

    def __init__(self) -> None:
        # Only projects that use expressions pay for loading the engine.
        self.duckdb: Any = importlib.import_module("duckdb")
        self._opened: Any = None

    def __enter__(self) -> Any:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> Any:
        if self._opened is None:
            self._opened = self.duckdb.connect(":memory:", config=_SANDBOX)
            self._opened.execute("SET TimeZone = 'UTC'")
            self._opened.execute("SET lock_configuration = true")
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _selected(expression: str) -> str:
    # On a line of its own, so that a comment at its end hides nothing.
    return f"SELECT (\n{expression}\n)"


def _is_bare(node: dict[str, Any]) -> bool:
    """Whether a statement selects and does nothing else: no FROM, WHERE, GROUP BY, UNION."""
    others = ("where_clause", "having", "qualify", "sample", "group_expressions", "group_sets", "modifiers")
    return (
        node.get("type") == "SELECT_NODE"
        and node.get("from_table", {}).get("type") == "EMPTY"
        and not any(node.get(key) for key in others)
    )


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a parsed expression."""
    waiting = [tree]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, dict):
            yield part
            waiting[:0] = list(part.values())
        elif isinstance(part, list):
            waiting[:0] = part


def _plainly(message: str) -> str:
    match = _FIRST_LINE.match(message)
    return (match["words"] if match else message).strip().rstrip(".!").replace(f"{_ROWS}.", "")
