"""Why a read can miss or repeat rows, whatever the destination does: part of the guarantee that is shown."""

from __future__ import annotations

from bief.http.paging_options import Offset, PageNumber
from bief.sources.rest.marks import DEFAULT_LOOKBACK_SECONDS
from bief.sources.rest.options import RestOptions
from bief.sources.rest.stream_options import RestStream


def caveats_of(options: RestOptions, stream: RestStream) -> tuple[str, ...]:
    """One clause for each reason."""
    found: list[str] = []
    listings = [stream.pagination or options.pagination]
    if stream.for_each:
        listings.append(options.streams[stream.for_each.stream].pagination or options.pagination)
    if any(isinstance(each, PageNumber | Offset) for each in listings):
        found.append("a row that moves between pages while they are read can be missed")
    if stream.incremental:
        lookback = stream.incremental.lookback_seconds
        shown = DEFAULT_LOOKBACK_SECONDS if lookback is None else lookback
        cursor = stream.incremental.cursor
        found.append(f"a change that becomes visible more than {shown:g} s late, by its `{cursor}`, can be missed")
        found.append("deletes are not seen")
        if shown and not stream.primary_key:
            found.append(
                f"rows of the last {shown:g} s before a round are read twice, and no primary key tells them apart"
            )
    if stream.change_feed and stream.change_feed.too_old_status is not None:
        found.append("after a pause longer than the API keeps changes, rows deleted in the pause stay in the table")
    return tuple(found)
