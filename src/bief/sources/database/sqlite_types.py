"""Which type a column of SQLite gets. SQLite allows any value in any column, so the declared type is only half of it.

| declared                         | type                                                                            |
|----------------------------------|---------------------------------------------------------------------------------|
| …INT…                            | integer                                                                         |
| …CHAR…, …CLOB…, …TEXT…           | text                                                                            |
| …REAL…, …FLOA…, …DOUB…           | float                                                                           |
| DECIMAL(p,s), NUMERIC(p,s)       | decimal(p,s), p ≤ 38                                                            |
| …BOOL…                           | boolean                                                                         |
| …BLOB…                           | binary                                                                          |
| DATE, DATETIME, TIMESTAMP        | by the values: date, datetime, timestamp (if all have a zone), integer or float |
| JSON                             | json, if every value is JSON                                                    |
| anything else, and nothing       | by the values: integer, float, text or binary                                   |

Where the type follows from the declaration, a value of another kind is rejected with its row. Where it is decided by
the values, one look at all of them comes first (`decided`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import pyarrow as pa

from bief.batches.parsing import EXACT_FLOATS
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.sources.database.relations import Column

Affinity = Literal["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB"]
_DECIMAL: Final = re.compile(r"(?:DECIMAL|NUMERIC|DEC|NUMBER)\s*\(\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?\)")
_MAX_DIGITS: Final = 38
_TEMPORAL: Final = ("DATE", "DATETIME", "TIMESTAMP")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
# In the order of the answers to `question`.
_QUESTIONS: Final = (
    "typeof({c}) = 'integer'",
    "typeof({c}) = 'real'",
    "typeof({c}) = 'text'",
    "typeof({c}) = 'blob'",
    "typeof({c}) = 'integer' AND abs({c}) >= {exact}",
    "typeof({c}) = 'text' AND {c} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'",
    "typeof({c}) = 'text' AND {c} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'",
    "typeof({c}) = 'text' AND ({c} GLOB '*:*Z' OR {c} GLOB '*:*[+-][0-9][0-9]*')",
    "typeof({c}) = 'text' AND NOT json_valid({c})",
)
ANSWERS: Final = len(_QUESTIONS)


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def bound(text: str, declared: str) -> str:
    """A value of a position in SQL, of the kind that it has in a column that is declared so."""
    if affinity(declared) != "TEXT" and _NUMBER.fullmatch(text):
        return f"CAST({literal(text)} AS NUMERIC)"
    return literal(text)


def affinity(declared: str) -> Affinity:
    """What SQLite makes of values that come into a column: https://www.sqlite.org/datatype3.html, section 3.1."""
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if any(word in name for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    return "REAL" if any(word in name for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def column_of(name: str, declared: str) -> Column:
    """The column of that name and declared type."""
    itself, written = quoted(name), declared.upper().strip()
    found = _declared_type(written)
    return Column(
        name=name,
        type_sql=declared,
        type=TEXT if found is None else found,
        sql=itself,
        text_sql=f"CAST({itself} AS TEXT)",
        undecided=found is None,
    )


def _declared_type(written: str) -> pa.DataType | None:
    """None: the values must say."""
    match = _DECIMAL.fullmatch(written)
    if match is not None:
        digits, scale = int(match[1]), int(match[2] or 0)
        return pa.decimal128(digits, scale) if scale <= digits <= _MAX_DIGITS and digits else None
    if "BOOL" in written:
        return BOOLEAN
    # POINT, INTERVAL and the like have an INT in them only by chance, but so SQLite reads them.
    by_affinity: dict[Affinity, pa.DataType] = {"INTEGER": INTEGER, "TEXT": TEXT, "REAL": FLOAT}
    if "BLOB" in written:
        return BINARY
    return by_affinity.get(affinity(written))


def question(name: str) -> str:
    """SQL of `ANSWERS` counts that decide about a column."""
    itself = quoted(name)
    return ", ".join(f"count(CASE WHEN {each.format(c=itself, exact=EXACT_FLOATS)} THEN 1 END)" for each in _QUESTIONS)


def decided(column: Column, answers: Sequence[Any]) -> pa.DataType:
    """The type of an undecided column, by the answers to its question. A column without values has none."""
    integers, reals, texts, blobs, large, dated, days, zoned, no_json = map(int, answers)
    if not integers + reals + texts + blobs:
        return pa.null()
    written = column.type_sql.upper().strip()
    if written == "JSON" and not blobs and not no_json:
        return JSON
    if written.partition("(")[0].strip() in _TEMPORAL and dated and not blobs:
        return _temporal(dated, days, zoned)
    if blobs or texts:
        return BINARY if blobs else TEXT
    # Large integers are not what they were as floats.
    return INTEGER if not reals else TEXT if large else FLOAT


def _temporal(dated: int, days: int, zoned: int) -> pa.DataType:
    if days == dated:
        return DATE
    if zoned == dated:
        return TIMESTAMP
    return TEXT if zoned else DATETIME
