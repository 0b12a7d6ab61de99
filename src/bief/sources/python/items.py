"""What a function yields, taken apart: records as JSON texts, Arrow tables, checkpoints, and what is none of these.

Called by `reading`. A dict is encoded at once, so that a function may change and yield it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bief.batches.batch import RejectedRow
from bief.ports.declaring import Checkpoint
from bief.sources.python.encoding import Unfit, encoded, shown
from bief.sources.python.kinds import Exact, exact_values
from bief.sources.python.tables import is_arrow, tables_of


@dataclass(frozen=True)
class Record:
    """A dict: its JSON text, and the kinds of values in it that JSON cannot tell."""

    text: bytes
    exact: list[Exact]
    origin: tuple[int, int | None]


@dataclass(frozen=True)
class Rows:
    """Some rows of a table; `first` is the place of the first of them in the item."""

    table: pa.Table
    item: int
    first: int


Piece = Record | Rows | RejectedRow | Checkpoint


def pieces(items: Iterable[Any], label: str, max_rows: int) -> Iterator[Piece]:
    """The pieces of all items, in order. `label` begins the origin of each row; tables are cut into `max_rows`."""
    for number, item in enumerate(items, start=1):
        if type(item) is dict or isinstance(item, Mapping):
            yield _record(item, (number, None), label)
        elif isinstance(item, Checkpoint):
            yield item
        elif is_arrow(item):
            first = 0
            for table in tables_of(item, f"{label}, item {number}", max_rows):
                yield Rows(table, number, first)
                first += table.num_rows
        elif isinstance(item, list | tuple):
            for place, inner in enumerate(item, start=1):
                yield _record(inner, (number, place), label)
        else:
            yield _record(item, (number, None), label)


def origin_text(label: str, item: int, row: int | None) -> str:
    """The place of a row for people: "function readings, item 17, row 3"."""
    return f"{label}, item {item}" if row is None else f"{label}, item {item}, row {row}"


def _record(item: Any, origin: tuple[int, int | None], label: str) -> Record | RejectedRow:
    try:
        return Record(encoded(item), exact_values(item), origin)
    except Unfit as unfit:
        place = origin_text(label, *origin)
        return RejectedRow(place, unfit.rule, unfit.reason, raw=shown(item), column=unfit.column)
