"""What an error of the PostgreSQL driver means for the user: transient or not, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from bief.errors import DestinationError, DestinationRefused, DestinationUnavailable, RowsRefused

# The driver writes its own status before, and the whole statement after, what the server or libpq said.
_NOISE: Final = re.compile(r"^[A-Z_]+: (?:\[libpq\] )?|(?:\. SQLSTATE: \w+|\n+Query was:.*)$", re.DOTALL)
_HEAD: Final = re.compile(r"^.*?(?:ERROR|FATAL|PANIC):\s+", re.DOTALL)
_LOST: Final = re.compile(
    r"server closed the connection|no connection to the server|connection (?:to server )?.*(?:failed|lost|closed)"
    r"|could not (?:receive|send) data|SSL SYSCALL|terminating connection|Connection (?:refused|reset|timed out)"
    r"|timeout expired|could not translate host name|lost synchronization",
    re.IGNORECASE,
)
_UNAVAILABLE_CLASSES: Final = ("08", "57P", "53300", "55P03", "40001", "40P01", "25P03", "58030", "57014")
# Data exceptions and broken constraints: the values of some rows are at fault.
_ROW_CLASSES: Final = ("22", "23")
_ADVICE: Final = {
    "28P01": "Check the user and the password in the URL of this destination.",
    "28000": "Check the user in the URL of this destination, and the server's pg_hba.conf.",
    "3D000": "Create the database, or correct its name in the URL of this destination.",
    "42501": "Grant the user of this destination what it needs: CREATE and USAGE on the schema (or CREATE on the "
    "database, if Bief is to make the schema), and ownership of tables that it is to change.",
    "53100": "Free space on the database server; then run again, it goes on from the last commit.",
    "53300": "The server has no connection left: raise max_connections, or let fewer streams load at once.",
    "55P03": "Somebody holds a lock on the table; it is tried again.",
    "22021": "PostgreSQL holds no NUL character in text: clean the column in the project file.",
    "22P05": "PostgreSQL holds no NUL character in JSON: clean the column in the project file.",
    "23503": "Another table refers to these rows: make its foreign key DEFERRABLE INITIALLY DEFERRED, or drop it.",
    "0A000": "If a view stands in the way of a change of type, drop it, run again, and make it anew.",
    "2BP01": "Something depends on it: drop or change that first.",
}
# When a connection is refused, the driver gives the server's words but not its code.
_CODE_OF: Final = (
    (re.compile(r"authentication failed"), "28P01"),
    (re.compile(r'FATAL: +role ".*" does not exist|no pg_hba.conf entry|is not permitted to log in'), "28000"),
    (re.compile(r'FATAL: +database ".*" does not exist'), "3D000"),
    (re.compile(r"FATAL: +permission denied"), "42501"),
    (re.compile(r"too many (?:clients|connections)|remaining connection slots"), "53300"),
)


def is_lost(sqlstate: str | None, message: str) -> bool:
    """Whether the connection itself is gone, so that nobody knows what the server did last."""
    if sqlstate:
        return sqlstate.startswith(("08", "57P0", "25P03"))
    return bool(_LOST.search(message))


def sentence_of(message: str) -> str:
    """What the server said, without the driver's wrapping and without the statement."""
    text = _HEAD.sub("", _NOISE.sub("", _NOISE.sub("", message.strip())))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("LINE ", " "))]
    return " ".join(lines).rstrip(". ") + "."


def translated(sqlstate: str | None, message: str, *, where: str) -> DestinationError:
    """The error of Bief for an error of the driver; the message must be free of secrets already."""
    what = sentence_of(message)
    sqlstate = sqlstate or next((code for words, code in _CODE_OF if words.search(message)), None)
    if is_lost(sqlstate, message):
        do = _ADVICE.get(sqlstate or "", "Check that the server runs and that this machine can reach it.")
        return DestinationUnavailable(what, where=where, do=do)
    if sqlstate and sqlstate.startswith(_UNAVAILABLE_CLASSES):
        return DestinationUnavailable(what, where=where, do=_ADVICE.get(sqlstate, ""))
    do = _ADVICE.get(sqlstate or "", "")
    if sqlstate and sqlstate.startswith(_ROW_CLASSES):
        return RowsRefused(what, where=where, do=do)
    return DestinationRefused(what, where=where, do=do)
