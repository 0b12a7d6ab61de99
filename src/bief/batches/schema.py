"""The types a column can have, by one name each, and what they are in Arrow.

| name           | Arrow                   | meaning                                             |
|----------------|-------------------------|-----------------------------------------------------|
| `text`         | string                  |                                                     |
| `integer`      | int64                   |                                                     |
| `float`        | float64                 | inexact: never for money                            |
| `decimal(p,s)` | decimal128(p, s)        | exact, p ≤ 38 digits, s of them after the point     |
| `boolean`      | bool                    |                                                     |
| `date`         | date32                  |                                                     |
| `timestamp`    | timestamp[us, tz=UTC]   | a moment; stored in UTC                             |
| `datetime`     | timestamp[us]           | a wall time without zone                            |
| `json`         | arrow.json of string    | lists, and whatever has no one type                 |
| `binary`       | binary                  |                                                     |
"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

TEXT: Final = pa.string()
INTEGER: Final = pa.int64()
FLOAT: Final = pa.float64()
BOOLEAN: Final = pa.bool_()
DATE: Final = pa.date32()
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
DATETIME: Final = pa.timestamp("us")
JSON: Final = pa.json_(pa.string())
BINARY: Final = pa.binary()

_NAMED: Final[dict[str, pa.DataType]] = {
    "text": TEXT,
    "integer": INTEGER,
    "float": FLOAT,
    "boolean": BOOLEAN,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "datetime": DATETIME,
    "json": JSON,
    "binary": BINARY,
}
_NAMES: Final = {str(arrow_type): name for name, arrow_type in _NAMED.items()}
TYPE_NAMES: Final = (*_NAMED, "decimal(p,s)")
_DECIMAL: Final = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_MAX_DECIMAL_DIGITS: Final = 38


def type_named(name: str) -> pa.DataType:
    """The Arrow type of a type name. Raises ValueError, with a sentence for the user, for any other text."""
    found = _NAMED.get(name.strip())
    if found is not None:
        return found
    match = _DECIMAL.fullmatch(name.strip())
    if match is None:
        raise ValueError(f"'{name}' is not a type; the types are {', '.join(TYPE_NAMES)}")
    digits, scale = int(match[1]), int(match[2])
    if not 1 <= digits <= _MAX_DECIMAL_DIGITS or scale > digits:
        raise ValueError(f"'{name}': a decimal has 1 to 38 digits, and no more of them after the point than in all")
    return pa.decimal128(digits, scale)


def name_of(arrow_type: pa.DataType) -> str:
    """The type name of an Arrow type of the table above. Raises KeyError for any other type."""
    if pa.types.is_decimal(arrow_type):
        return f"decimal({arrow_type.precision},{arrow_type.scale})"
    return _NAMES[str(arrow_type)]
