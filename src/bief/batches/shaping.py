"""What a stream asks to be done to its columns before they are guarded: the declaration (this file's dataclasses)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class ColumnRule:
    """What happens to one column, named by its table name before renaming (`customer__id`).

    `type`: cast to this type, whatever the values look like. `hash`: the hexadecimal SHA-256 of the value's text
    takes its place. `drop`: the column never leaves the source.
    """

    type: pa.DataType | None = None
    rename: str | None = None
    hash: bool = False
    drop: bool = False


@dataclass(frozen=True)
class Shape:
    """The shaping of one stream.

    `trim`: white space around texts goes. `deduplicate`: rows of one batch that are equal in all columns become one
    (rows with the same primary key become one in any case, the last of them, in modes that have one row per key).
    """

    trim: bool = False
    deduplicate: bool = False
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
