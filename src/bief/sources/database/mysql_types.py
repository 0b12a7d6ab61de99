"""Which type a column of MySQL or MariaDB gets, and how it is selected so that nothing is lost on the way to Arrow.

| MySQL, MariaDB                                   | type                                                              |
|--------------------------------------------------|-------------------------------------------------------------------|
| tinyint(1), bit(1)                               | boolean, or integer (option `boolean`)                            |
| other integers, year, bit                        | integer; decimal(20,0) for bigint unsigned and bit(64)            |
| decimal(p,s)                                     | decimal(p,s), p ≤ 38; text beyond                                 |
| float, double                                    | float; of a float all the digits that it has                      |
| date, datetime                                   | date, datetime                                                    |
| timestamp                                        | timestamp                                                         |
| time, char, text, enum, set, uuid, inet6         | text                                                              |
| json (in MariaDB: a column that must be JSON)    | json                                                              |
| binary, blob                                     | binary                                                            |
| geometry                                         | text: WKT                                                         |

What a column is, is told by the answer to an empty SELECT, for tables, views and queries alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.errors import SourceMisread
from bief.sources.database.relations import Column

ZeroDates = Literal["reject", "null"]
# https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
_TINY, _FLOAT, _DOUBLE, _TIMESTAMP, _LONGLONG, _DATE, _DATETIME, _BIT = 1, 4, 5, 7, 8, 10, 12, 16
_INTEGERS: Final = frozenset({1, 2, 3, 8, 9, 13})
_DECIMALS: Final = frozenset({0, 246})
_JSON: Final = 245
_TEXTS: Final = frozenset({15, 249, 250, 251, 252, 253, 254})
_GEOMETRY: Final = 255
_UNSIGNED, _IS_SET, _IS_ENUM = 32, 2048, 256
_BINARY_CHARSET: Final = 63
_MAX_DIGITS: Final = 38
_NUMBER: Final = re.compile(r"-?\d{1,65}(\.\d{1,38})?", re.ASCII)
_UNSIGNED_64: Final = pa.decimal128(20, 0)
# Casts by which a value of a position is compared as the column is. A text is compared as it is written, so that the
# column's own collation counts.
ORDERED: Final = frozenset({"SIGNED", "UNSIGNED", "DECIMAL", "DATE", "DATETIME(6)", "CHAR", "BINARY"})


@dataclass(frozen=True)
class Choices:
    """What the project file leaves open for all columns."""

    boolean: bool
    zero_dates: ZeroDates


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """The text as an SQL literal that means the same in every sql_mode."""
    return f"_utf8mb4 X'{text.encode().hex()}'" if text else "_utf8mb4 ''"


def bound(text: str, type_sql: str) -> str:
    """A value of a position in SQL. Raises `SourceMisread` if it is none."""
    if type_sql in {"SIGNED", "UNSIGNED", "DECIMAL"}:
        if not _NUMBER.fullmatch(text):
            raise SourceMisread(f"the position holds {text!a} where a number belongs.", do="Run with --full-refresh.")
        return text
    if type_sql == "CHAR":
        return literal(text)
    return f"UNHEX({literal(text)})" if type_sql == "BINARY" else f"CAST({literal(text)} AS {type_sql})"


def column_of(name: str, field: Any, choices: Choices, *, is_json: bool) -> Column:
    """The column that a descriptor of the driver describes. `is_json`: it is a text that must be JSON."""
    code = field.type_code
    if code in _INTEGERS or code in _DECIMALS or code in {_FLOAT, _DOUBLE}:
        return _number(name, field, choices)
    if code == _BIT:
        return _bit(name, field.length, choices)
    if code in {_DATE, _DATETIME, _TIMESTAMP}:
        return _temporal(name, code, choices)
    return _text(name, field, is_json=is_json)


def _number(name: str, field: Any, choices: Choices) -> Column:
    itself = quoted(name)
    text = f"CAST({itself} AS CHAR)"
    code, unsigned = field.type_code, bool(field.flags & _UNSIGNED)
    if code in _DECIMALS:
        digits = field.length - (0 if unsigned else 1) - (1 if field.scale else 0)
        decimal = pa.decimal128(digits, field.scale) if digits <= _MAX_DIGITS else TEXT
        return Column(name, "DECIMAL", decimal, itself, text)
    if code not in _INTEGERS:
        # A float shows six digits of itself; as a double it shows all that it has.
        return Column(name, "DOUBLE", FLOAT, f"({itself} * 1e0)" if code == _FLOAT else itself, text)
    if choices.boolean and code == _TINY and field.length == 1:
        return Column(name, "SIGNED", BOOLEAN, itself, text)
    to = _UNSIGNED_64 if code == _LONGLONG and unsigned else INTEGER
    return Column(name, "UNSIGNED" if unsigned else "SIGNED", to, itself, text)


def _text(name: str, field: Any, *, is_json: bool) -> Column:
    itself = quoted(name)
    text = f"CAST({itself} AS CHAR)"
    code, is_text = field.type_code, field.type_code in _TEXTS
    if code == _GEOMETRY:
        return Column(name, "GEOMETRY", TEXT, f"ST_AsText({itself})", f"ST_AsText({itself})")
    if code == _JSON or is_json:
        return Column(name, "JSON", JSON, itself, text)
    if is_text and field.charsetnr == _BINARY_CHARSET:
        return Column(name, "BINARY", BINARY, itself, f"HEX({itself})")
    # An enum is compared as a text and ordered as a number: no order to go on by.
    is_ordered = is_text and not field.flags & (_IS_ENUM | _IS_SET)
    return Column(name, "CHAR" if is_ordered else "ENUM", TEXT, itself if is_text else text, text)


def _bit(name: str, length: int, choices: Choices) -> Column:
    number = f"CAST({quoted(name)} AS UNSIGNED)"
    if length == 1 and choices.boolean:
        to: pa.DataType = BOOLEAN
    else:
        to = _UNSIGNED_64 if length == 64 else INTEGER  # noqa: PLR2004 - the widest bit
    return Column(name, "UNSIGNED", to, number, f"CAST({number} AS CHAR)")


def _temporal(name: str, code: int, choices: Choices) -> Column:
    itself = quoted(name)
    text = f"CAST({itself} AS CHAR)"
    types: dict[int, pa.DataType] = {_DATE: DATE, _DATETIME: DATETIME, _TIMESTAMP: TIMESTAMP}
    to, type_sql = types[code], "DATE" if code == _DATE else "DATETIME(6)"
    # The session is in UTC, and says so only here.
    shown = f"CONCAT({text}, 'Z')" if to == TIMESTAMP else text
    if choices.zero_dates == "null":
        shown = f"CASE WHEN MONTH({itself}) = 0 OR DAYOFMONTH({itself}) = 0 THEN NULL ELSE {shown} END"
    return Column(name, type_sql, to, shown, text)
