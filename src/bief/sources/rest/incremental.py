"""One round of a stream that is read by a cursor field. Called by `source.read`.

Position: `{"mark": …}` between rounds; `{"low": …, "high": …, "page": …}` inside one, so that a round that is taken up
asks the same question again. The mark moves only when the round is complete: nobody promises an order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from bief.batches.batch import Position
from bief.sources.rest.collecting import Part
from bief.sources.rest.fields import FieldReader, exact_text
from bief.sources.rest.marks import HighMark, low_bound
from bief.sources.rest.requests import Endpoint, Values
from bief.sources.rest.rounds import part_of, steps
from bief.sources.rest.stream_options import Incremental
from bief.sources.rest.surroundings import Surroundings


def incremental(
    around: Surroundings, endpoint: Endpoint, options: Incremental, since: Position | None, *, may_restart: bool
) -> Iterator[Part]:
    """What has changed since the mark; everything if there is none."""
    value = {} if since is None else since.value
    resumed = since is not None and not since.complete
    start = value.get("high") if resumed else value.get("mark")
    low = value.get("low") if resumed else _low(options, start)
    high = HighMark(start, around.runtime.clock.now())
    cursors = FieldReader(options.cursor)

    def restarted() -> Values:
        # In ascending order everything up to the greatest cursor has been read; otherwise nobody knows what has.
        return Values(cursor=_low(options, high.text) if options.order == "ascending" else low)

    walked = steps(
        around,
        endpoint,
        Values(cursor=low),
        value.get("page") if resumed else None,
        may_restart=may_restart,
        restart_values=restarted,
    )
    for step in walked:
        for (cursor,) in cursors.read(step.page.records):
            high.show(exact_text(cursor))
        if step.following is None:
            _warn(around, endpoint, options, high)
            yield part_of(step, {} if high.text is None else {"mark": high.text})
        else:
            yield part_of(step, {"low": low, "high": high.text, "page": dict(step.following)})


def _low(options: Incremental, mark: str | None) -> str | None:
    if mark is None:
        return options.initial
    return low_bound(mark, options.lookback_seconds, options.format)


def _warn(around: Surroundings, endpoint: Endpoint, options: Incremental, high: HighMark) -> None:
    if high.unusable:
        around.warn(
            endpoint.stream,
            f"{high.unusable} records have no `{options.cursor}` that can be compared, or one in the future:"
            " they are read, but the next round may miss changes of such records",
        )
