"""Which type a column of PostgreSQL gets, and how it is selected so that nothing is lost on the way to Arrow.

| PostgreSQL                           | type                | selected as                                            |
|--------------------------------------|---------------------|--------------------------------------------------------|
| smallint, integer, bigint            | integer             | itself                                                 |
| real, double precision               | float               | itself                                                 |
| numeric(p,s), p ≤ 38                 | decimal(p,s)        | text: faster than the driver's own way, and NaN is seen |
| numeric                              | decimal or text     | text; `postgres_session.settled` asks which            |
| money                                | decimal(38,2)       | numeric                                                |
| boolean, date, timestamp, bytea      | the same            | itself                                                 |
| json, jsonb, hstore, arrays, records | json                | `to_json`                                              |
| everything else                      | text                | its own text: uuid, interval, inet, bit, xml, enum, …  |

A domain is what it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.sources.database.relations import Column

_ITSELF: Final[dict[str, pa.DataType]] = {
    "int2": INTEGER,
    "int4": INTEGER,
    "int8": INTEGER,
    "float4": FLOAT,
    "float8": FLOAT,
    "bool": BOOLEAN,
    "date": DATE,
    "timestamp": DATETIME,
    "timestamptz": TIMESTAMP,
    "bytea": BINARY,
    "text": TEXT,
    "varchar": TEXT,
}
_JSON_TEXTS: Final = frozenset({"json", "jsonb"})
_MONEY: Final = pa.decimal128(38, 2)
# What a numeric without digits becomes, first fit, if all values of the read fit; text otherwise.
OPEN_DECIMALS: Final = (pa.decimal128(38, 9), pa.decimal128(38, 18))
_MAX_DIGITS: Final = 38
_HEADER: Final = 4
_SCALE_BITS: Final = 0x7FF
_SCALE_SIGN: Final = 0x400


@dataclass(frozen=True)
class CatalogType:
    """A type of the catalog. `base` is its name without domains around it; `modifier` that of the base type.

    `group`: `A` an array, `C` a record, empty for the rest. `built_in`: of the schema pg_catalog.
    """

    name: str
    base: str
    built_in: bool
    group: str
    modifier: int


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_of(name: str, catalog: CatalogType) -> Column:
    """The column of that name."""
    itself = quoted(name)
    text = f"{itself}::text"
    if catalog.group or catalog.base == "hstore":
        return Column(name, catalog.name, JSON, f"to_json({itself})::text", text)
    base = catalog.base if catalog.built_in else ""
    if base in _ITSELF:
        return Column(name, catalog.name, _ITSELF[base], itself, itself if _ITSELF[base] == TEXT else text)
    if base == "money":
        return Column(name, catalog.name, _MONEY, f"{itself}::numeric::text", text)
    if base == "numeric":
        decimal = decimal_of(catalog.modifier)
        return Column(name, catalog.name, decimal or OPEN_DECIMALS[0], text, text, undecided=decimal is None)
    return Column(name, catalog.name, JSON if base in _JSON_TEXTS else TEXT, text, text)


def decimal_of(modifier: int) -> pa.DataType | None:
    """The decimal of a numeric's type modifier; None if it has none, or more digits than a decimal."""
    if modifier < _HEADER:
        return None
    digits = (modifier - _HEADER) >> 16
    # Since PostgreSQL 15 the scale can be negative, and greater than the precision.
    scale = (((modifier - _HEADER) & _SCALE_BITS) ^ _SCALE_SIGN) - _SCALE_SIGN
    digits, scale = max(digits - min(scale, 0), scale), max(scale, 0)
    return pa.decimal128(digits, scale) if digits <= _MAX_DIGITS else None


def open_decimal(scale: int, whole_digits: int) -> pa.DataType:
    """The type that holds numbers of that many digits after the point, and before it."""
    for decimal in OPEN_DECIMALS:
        if scale <= decimal.scale and whole_digits <= decimal.precision - decimal.scale:
            return decimal
    return TEXT
