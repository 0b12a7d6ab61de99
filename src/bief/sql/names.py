"""Names in SQL: quoting, names that are taken, and the name of a staging table.

Every identifier that reaches a statement goes through `quoted`; values never do (they are parameters).
"""

from __future__ import annotations

import hashlib
from typing import Final

from bief.batches.batch import ROW_NUMBER
from bief.errors import DestinationRefused

LOADED_AT: Final = "_loaded_at"
LOAD_ID: Final = "_load_id"
OWN_COLUMNS: Final = (LOADED_AT, LOAD_ID)
VALID_FROM: Final = "valid_from"
VALID_TO: Final = "valid_to"
IS_CURRENT: Final = "is_current"
HISTORY_COLUMNS: Final = (VALID_FROM, VALID_TO, IS_CURRENT)

STAGING_SUFFIX: Final = "__new"
_TAKEN: Final = frozenset({"etl_logs", "sync_metadata"})
_TAKEN_PREFIXES: Final = ("_bief_", "pg_", "sqlite_", "duckdb_")
_DIGEST_LENGTH: Final = 8
_FIRST_PRINTABLE: Final = " "
_DELETE_CHARACTER: Final = "\x7f"


def quoted(name: str, *, max_bytes: int) -> str:
    """The name as an SQL identifier. All three databases quote alike; each has its own longest name."""
    if not name or any(letter < _FIRST_PRINTABLE or letter == _DELETE_CHARACTER for letter in name):
        raise DestinationRefused(
            f"{name!r} cannot be the name of a table or column.",
            do="A name has at least one character and no control characters: use `rename` in the project file.",
        )
    if len(name.encode()) > max_bytes:
        raise DestinationRefused(
            f"the name '{name}' is longer than {max_bytes} bytes.", do="Give it a shorter one in the project file."
        )
    return '"' + name.replace('"', '""') + '"'


def refuse_taken_table(table: str) -> None:
    """Raise if a table of that name would get into the way of Bief's own or the database's tables."""
    low = table.lower()
    if low in _TAKEN or low.startswith(_TAKEN_PREFIXES) or low.endswith(STAGING_SUFFIX):
        raise DestinationRefused(
            f"a table cannot be called '{table}'.",
            do=f"Names that begin with {', '.join(_TAKEN_PREFIXES)} or end with {STAGING_SUFFIX}, and "
            f"{' and '.join(sorted(_TAKEN))}, are taken: give the stream another table name in the project file.",
        )


def refuse_taken_column(column: str, *, history: bool) -> None:
    """Raise if a column of that name would get into the way of Bief's own columns."""
    taken = {*OWN_COLUMNS, ROW_NUMBER, *(HISTORY_COLUMNS if history else ())}
    if column.lower() in taken:
        raise DestinationRefused(
            f"the source has a column '{column}', and Bief writes a column of that name itself.",
            do="Give the source's column another name with `rename` in the project file.",
        )


def staging_name(table: str, *, max_bytes: int) -> str:
    """The name of the table in which a round is gathered before it takes the place of the old rows."""
    name = table + STAGING_SUFFIX
    if len(name.encode()) <= max_bytes:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:_DIGEST_LENGTH]
    room = max_bytes - len(STAGING_SUFFIX) - _DIGEST_LENGTH - 1
    head = table.encode()[:room].decode(errors="ignore")
    return f"{head}_{digest}{STAGING_SUFFIX}"
