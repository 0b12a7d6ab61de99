"""Names of columns and tables: from whatever a source calls them to names that every database takes.

Called by `batches.rows` and `batches.shaping` for columns. The same source names always give the same table names,
in whatever order they come, and two source names never share a column.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

MAX_NAME_BYTES: Final = 63
RESERVED_PREFIX: Final = "_bief_"
# Columns that Bief adds to the tables of users, in some mode or other.
RESERVED: Final = frozenset(
    {"_loaded_at", "_load_id", "_deleted", "_deleted_at", "valid_from", "valid_to", "is_current"}
)
_HASH_DIGITS: Final = 6
# Latin letters that Unicode does not take apart into a letter and an accent.
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "þ": "th", "ð": "d", "\u0131": "i"}
)
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """`name` in lower-case words joined by `_`, at most 63 bytes; its underscores stay as they are.

    Accents go, letters of other scripts stay, everything else becomes `_` between words. A name that is too long ends
    in six hexadecimal digits of the hash of the whole.
    """
    lowered = _HUMP.sub("_", _unaccented(name)).lower()
    letters = unicodedata.normalize("NFC", _unaccented(lowered).translate(_LETTERS))
    words = "".join(char if _is_word(char) else " " for char in letters).split()
    snake = "_".join(words) or "column"
    if snake[0].isdigit():
        snake = f"_{snake}"
    return snake if _size(snake) <= MAX_NAME_BYTES else _with_hash(snake, name)


def column_name(source_name: str) -> str:
    """The name of a source's column in a table, as long as no other column wants the same one."""
    name = snake_case(source_name)
    if name.casefold() not in RESERVED and not name.startswith(RESERVED_PREFIX):
        return name
    name = f"source_{name}"
    return name if _size(name) <= MAX_NAME_BYTES else _with_hash(name, source_name)


def column_names(source_names: Sequence[str], known: Mapping[str, str] | None = None) -> list[str]:
    """A name for each source column; no two are equal, not even in a database that ignores case.

    Where several want one name, the source name that is already spelt so has it, else the first by alphabet; the
    others get `_` and six digits of the hash of their source name. `known` holds names given earlier, which stay.
    """
    names = dict(known or {})
    taken = {name.casefold() for name in names.values()}
    wanted = {source: column_name(source) for source in source_names if source not in names}
    for source in sorted(wanted, key=lambda each: (wanted[each] != each, each)):
        name, salt = wanted[source], source
        while name.casefold() in taken:
            name, salt = _with_hash(wanted[source], salt), f"{salt}#"
        taken.add(name.casefold())
        names[source] = name
    return [names[source] for source in source_names]


@functools.lru_cache(maxsize=8192)
def could_be(source_name: str, column: str) -> bool:
    """Whether `column_names` can have called `source_name` so, in any company."""
    return column in {column_name(source_name), _with_hash(column_name(source_name), source_name)}


def _unaccented(text: str) -> str:
    return _ACCENT.sub("", unicodedata.normalize("NFKD", text))


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum() or unicodedata.category(char).startswith("M")


def _with_hash(name: str, source_name: str) -> str:
    digest = hashlib.sha256(source_name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    head = name.encode()[: MAX_NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{head}_{digest}"


def _size(name: str) -> int:
    return len(name.encode())
