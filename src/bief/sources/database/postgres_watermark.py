"""Up to where nothing can be missed: the watermark that makes late commits safe (docs/databases.md).

A row gets its `updated_at` when its transaction begins, and is seen only after the commit. So the next round begins
at the start of the oldest transaction that is still open. Asked in a transaction of its own, *before* the snapshot:

1. `now()` and pg_stat_activity in one statement. `now()` is the start of that statement, so a transaction that begins
   while the activity is looked through is younger. A transaction stays in pg_stat_activity until its rows are visible.
2. Then pg_prepared_xacts: a transaction that was prepared in between was still open in the first step. What a
   prepared one wrote, and when it began, nobody can say: the next round begins where this one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from bief.batches.schema import DATE, DATETIME, INTEGER, TIMESTAMP
from bief.sources.database.options import DatabaseStream
from bief.sources.database.postgres_types import quoted
from bief.sources.database.relations import Column, Relation
from bief.sources.database.session import Watermark
from bief.sources.database.statements import ALIAS

Ask = Callable[[str], list[tuple[Any, ...]]]

# Sessions of sources only read, and hold transactions open for as long as they read: they do not hold the mark back.
APPLICATION: Final = "bief source (read only)"
# A row about a session of another user is hidden from who is no member of pg_read_all_stats (or pg_monitor). Without
# a user it is the server's own: autovacuum, which changes no row.
_OPEN: Final = """
SELECT coalesce(bool_or(query = '<insufficient privilege>' OR state = 'disabled'), false), pg_is_in_recovery(),
    {watched}, {blind}
FROM (
    SELECT least(now(), min(xact_start) OVER ()) AS oldest, query, state FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
        AND application_name <> '{application}'
    UNION ALL SELECT now(), '', ''
) AS activity"""
_PREPARED: Final = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
_OLDER: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
    AND application_name <> '{application}' AND xact_start <= '{moment}'::timestamptz + interval '1 s'"""
_TRIES: Final = 30
_PAUSE_SECONDS: Final = 0.1
_STANDBY: Final = "this is a standby, which does not know the transactions of its primary"
_HIDDEN: Final = "the user may not see the transactions of others (GRANT pg_read_all_stats to it)"
_WAITS_FOR_PREPARED: Final = "There are prepared transactions: the next run begins where this one did."
_WAITS_FOR_OPEN: Final = "A transaction stays open that may hold lower numbers: the next run begins where this one did."
_FURTHEST_BEHIND: Final = "12 hours"
_BY_TIME: Final = (TIMESTAMP, DATETIME, DATE)


def watermark(ask: Ask, relation: Relation, cursor: Column, options: DatabaseStream) -> Watermark:
    """See `session.Session.watermark`. `ask` runs a statement in a transaction of its own."""
    by_time, by_number = cursor.type in _BY_TIME, cursor.type == INTEGER
    if not by_time and not by_number:
        return Watermark(known=False)
    watched = (
        _in_type(f"(min(oldest) - interval '{options.margin_seconds:f} s')", cursor, options) if by_time else "NULL"
    )
    blind = _in_type(f"(now() - interval '{options.lookback_seconds:f} s')", cursor, options) if by_time else "NULL"
    greatest = None if by_time else _greatest(ask, relation, cursor)
    asked = _OPEN.format(watched=watched, blind=blind, application=APPLICATION)
    hidden, standby, mark, fallback = ask(asked)[0]
    if hidden or standby:
        amount = f"{options.lookback_seconds:g} s" if by_time else f"{options.lookback_numbers} numbers"
        why = _STANDBY if standby else _HIDDEN
        warning = f"A row committed more than {amount} late can be missed: {why}."
        return Watermark(text=fallback if by_time else None, known=by_time, warnings=(warning,))
    if by_number:
        return _past_number(ask, greatest)
    if ask(_PREPARED)[0][0]:
        return Watermark(unchanged=True, warnings=(_WAITS_FOR_PREPARED,))
    return Watermark(text=mark)


def _greatest(ask: Ask, relation: Relation, cursor: Column) -> str | None:
    name = quoted(cursor.name)
    found = ask(f"SELECT max({name})::text FROM {relation.sql} AS {ALIAS}")[0][0]  # noqa: S608 - quoted
    return None if found is None else str(found)


def _past_number(ask: Ask, greatest: str | None) -> Watermark:
    """A number below one that is visible was given to a transaction that is as old: once all of those have ended,
    nothing below it can appear. Short ones are waited for."""
    if greatest is None:
        return Watermark(unchanged=True)
    moment = str(ask("SELECT now()::text")[0][0])
    for _ in range(_TRIES):
        # Sessions first, prepared ones after them, as above.
        if not ask(_OLDER.format(moment=moment, application=APPLICATION))[0][0] and not ask(_PREPARED)[0][0]:
            return Watermark(text=greatest, loose=True)
        time.sleep(_PAUSE_SECONDS)
    return Watermark(unchanged=True, warnings=(_WAITS_FOR_OPEN,))


def lookback(cursor: Column, options: DatabaseStream) -> str:
    """See `session.Session.lookback`."""
    kind = cursor.type_sql.partition("(")[0]
    return str(options.lookback_numbers) if kind in {"smallint", "integer", "bigint", "numeric"} else ""


def _in_type(moment: str, cursor: Column, options: DatabaseStream) -> str:
    """The text of a moment in the type of the cursor: no later value than any session writes from then on."""
    if cursor.type == TIMESTAMP:
        return f"{moment}::text"
    if options.cursor_timezone is None:
        wall = f"({moment} AT TIME ZONE 'UTC' - interval '{_FURTHEST_BEHIND}')"
    else:
        zone = f"AT TIME ZONE '{options.cursor_timezone}'"
        # Where clocks go back within the hour, they will show earlier times than now.
        wall = f"least({moment} {zone}, ({moment} + interval '1 hour') {zone} - interval '1 hour')"
    return f"{wall}::date::text" if cursor.type == DATE else f"{wall}::text"
