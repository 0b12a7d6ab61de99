"""Up to where nothing can be missed: the watermark that makes late commits safe (docs/databases.md).

A row gets its `updated_at` when its transaction begins, and is seen only after the commit. So the next round begins
at the start of the oldest transaction that is still open. Asked in a transaction of its own, *before* the snapshot:

1. `now()` and pg_stat_activity in one statement. `now()` is the start of that statement, so a transaction that begins
   while the activity is looked through is younger. A transaction stays in pg_stat_activity until its rows are visible.
2. Then pg_prepared_xacts: a transaction that was prepared in between was still open in the first step. What a
   prepared one wrote, and when it began, nobody can say: the next round begins where this one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bief.batches.schema import DATE, DATETIME, TIMESTAMP
from bief.sources.database.options import DatabaseStream
from bief.sources.database.relations import Column
from bief.sources.database.session import Watermark

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
_FURTHEST_BEHIND: Final = "12 hours"
_BY_TIME: Final = (TIMESTAMP, DATETIME, DATE)


def watermark(ask: Callable[[str], list[tuple[Any, ...]]], cursor: Column, options: DatabaseStream) -> Watermark:
    """See `session.Session.watermark`. `ask` runs a statement in a transaction of its own."""
    if cursor.type not in _BY_TIME:
        return Watermark(known=False)
    watched = _in_type(f"(min(oldest) - interval '{options.margin_seconds:f} s')", cursor, options)
    blind = _in_type(f"(now() - interval '{options.lookback_seconds:f} s')", cursor, options)
    hidden, standby, mark, fallback = ask(_OPEN.format(watched=watched, blind=blind, application=APPLICATION))[0]
    if hidden or standby:
        why = (
            "this is a standby, which does not know the transactions of its primary"
            if standby
            else "the user may not see the transactions of others (GRANT pg_read_all_stats to it)"
        )
        return Watermark(
            text=fallback,
            warnings=(f"A row committed more than {options.lookback_seconds:g} s late can be missed: {why}.",),
        )
    if ask(_PREPARED)[0][0]:
        return Watermark(
            unchanged=True,
            warnings=("There are prepared transactions: the next run begins where this one did.",),
        )
    return Watermark(text=mark)


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
