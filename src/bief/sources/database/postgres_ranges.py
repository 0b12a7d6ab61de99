"""Ranges of about the same size for reading a table of PostgreSQL by several connections. Called by `postgres_session`.

Ranges of the key where there is one: the borders come from a sample, so that gaps and clusters do no harm. Else ranges
of blocks, which are whole only within one snapshot; but without a key nothing is resumed in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bief.batches.schema import TEXT
from bief.sources.database.postgres_types import quoted
from bief.sources.database.relations import Column, Range, Selection

# The place of a row: its block and its number there.
PLACE: Final = Column("ctid", "tid", TEXT, "ctid", "ctid::text")
_SAMPLED_PER_RANGE: Final = 1000
_BLOCKS: Final = """
SELECT pg_relation_size(oid) / current_setting('block_size')::bigint FROM pg_class
WHERE oid = {name}::regclass AND relkind IN ('r', 'm') AND NOT relhassubclass
    AND current_setting('server_version_num')::int >= 140000"""


def ranges(ask: Callable[[str], list[tuple[Any, ...]]], selection: Selection, parts: int) -> Sequence[Range]:
    """See `session.Session.ranges`. Only a full read is worth parting."""
    if selection.bound is not None or selection.limit is not None:
        return [Range()]
    borders = _keys(ask, selection, parts) if selection.key else _blocks(ask, selection, parts)
    return [Range(after, up_to) for after, up_to in zip([None, *borders], [*borders, None], strict=True)]


def _keys(ask: Callable[[str], list[tuple[Any, ...]]], selection: Selection, parts: int) -> list[tuple[str, ...]]:
    rows = selection.relation.rows
    if not rows:
        return []
    percent = min(100.0, 100.0 * _SAMPLED_PER_RANGE * parts / rows)
    texts = ", ".join(column.text_sql for column in selection.key)
    order = ", ".join(f"s.{quoted(column.name)}" for column in selection.key)
    source = f"{selection.relation.sql} AS s TABLESAMPLE SYSTEM ({percent:f})"
    sample = ask(f"SELECT {texts} FROM {source} ORDER BY {order}")  # noqa: S608 - names are quoted
    places = (len(sample) * part // parts for part in range(1, parts))
    return [sample[place] for place in sorted({place for place in places if 0 < place < len(sample)})]


def _blocks(ask: Callable[[str], list[tuple[Any, ...]]], selection: Selection, parts: int) -> list[tuple[str, ...]]:
    name = selection.relation.sql.replace("'", "''")
    found = ask(_BLOCKS.format(name=f"'{name}'"))
    blocks = int(found[0][0]) if found else 0
    # Rows are counted from 1: no row is at (n, 0).
    return [(f"({block},0)",) for block in sorted({blocks * part // parts for part in range(1, parts)} - {0})]
