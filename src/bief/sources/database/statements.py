"""The SELECT of a read, for databases that speak the SQL of the standard. Called by the sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bief.sources.database.relations import Column, Range, Selection

KEY_PREFIX: Final = "_bief_key_"
# ORDER BY a bare name would mean the selected expression of that name, which may be a text.
ALIAS: Final = "bief_rows"


@dataclass(frozen=True)
class Words:
    """How a database writes names and values. `bound(text, type_sql)`: the SQL of a value of that type.

    `text(sql)`: the SQL of the text of a value. `row_values`: whether `(a, b) > (1, 2)` is compared as a row, and an
    index helps.
    """

    quote: Callable[[str], str]
    bound: Callable[[str, str], str]
    text: Callable[[str], str]
    row_values: bool = True


def select(selection: Selection, words: Words) -> str:
    """The whole statement."""
    given = [f"{column.sql} AS {words.quote(column.name)}" for column in selection.columns]
    keys = [f"{column.text_sql} AS {KEY_PREFIX}{place}" for place, column in enumerate(selection.key_texts)]
    order = f" ORDER BY {_names(selection.key, words, f'{ALIAS}.')}" if selection.key else ""
    limit = f" LIMIT {selection.limit}" if selection.limit is not None else ""
    asked = f"SELECT {', '.join([*given, *keys])} FROM {selection.relation.sql} AS {ALIAS}"  # noqa: S608 - names are quoted
    return f"{asked}{where(selection, words)}{order}{limit}"


def measure(selection: Selection, cursor: Column, words: Words) -> str:
    """Rows that the selection has, rows without a cursor, greatest cursor as text."""
    name = words.quote(cursor.name)
    reached = " AND ".join(_conditions(selection, words)) or f"{name} IS NOT NULL"
    return (
        f"SELECT count(CASE WHEN {reached} THEN 1 END), count(CASE WHEN {name} IS NULL THEN 1 END), "  # noqa: S608 - names are quoted
        f"{words.text(f'max({name})')} FROM {selection.relation.sql} AS {ALIAS} WHERE ({reached}) OR {name} IS NULL"
    )


def where(selection: Selection, words: Words) -> str:
    """The condition of a selection, with the word WHERE; empty for all rows."""
    conditions = list(_conditions(selection, words))
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _conditions(selection: Selection, words: Words) -> Iterator[str]:
    bound = selection.bound
    if bound is not None:
        less = f" - {bound.lookback}" if bound.lookback else ""
        yield f"{words.quote(bound.column.name)} >= {words.bound(bound.text, bound.column.type_sql)}{less}"
    yield from _within(selection.range, selection.key or selection.place, words)


def _within(span: Range, key: tuple[Column, ...], words: Words) -> Iterator[str]:
    if span.after is not None:
        yield _compared(key, ">", span.after, words)
    if span.up_to is not None:
        yield f"NOT {_compared(key, '>', span.up_to, words)}"


def _compared(key: tuple[Column, ...], operator: str, texts: tuple[str, ...], words: Words) -> str:
    values = [words.bound(text, column.type_sql) for text, column in zip(texts, key, strict=True)]
    if words.row_values or len(key) == 1:
        return f"(({_names(key, words)}) {operator} ({', '.join(values)}))"
    # (a, b) > (1, 2) written out: a > 1, or a = 1 and b > 2.
    names = [words.quote(column.name) for column in key]
    ways = [
        " AND ".join(
            [*(f"{names[i]} = {values[i]}" for i in range(place)), f"{names[place]} {operator} {values[place]}"]
        )
        for place in range(len(key))
    ]
    return f"(({') OR ('.join(ways)}))"


def _names(columns: tuple[Column, ...], words: Words, prefix: str = "") -> str:
    return ", ".join(prefix + words.quote(column.name) for column in columns)
