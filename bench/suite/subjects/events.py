"""Nested JSON lines into PostgreSQL."""

from __future__ import annotations

from functools import cache

import data
from suite.checksums import Checksum, in_duckdb
from suite.contenders import BIEF, Contender, Subject, memory_at_most, times_faster
from suite.subjects.orders import read_once, variables
from suite.surroundings import BIEF_SCHEMA, Surroundings

_COUNTED_BY_BIEF = f"""(
SELECT e.*, jsonb_array_length(lines::jsonb) AS line_count, jsonb_array_length(tags::jsonb) AS tag_count
FROM {BIEF_SCHEMA}.events e)"""
_COUNTED_BY_DLT = """(
SELECT e.*, l.line_count, g.tag_count FROM bench_dlt.events e
LEFT JOIN (SELECT _dlt_parent_id, count(*) AS line_count FROM bench_dlt.events__lines GROUP BY 1) l
    ON l._dlt_parent_id = e._dlt_id
LEFT JOIN (SELECT _dlt_parent_id, count(*) AS tag_count FROM bench_dlt.events__tags GROUP BY 1) g
    ON g._dlt_parent_id = e._dlt_id)"""


def events(around: Surroundings, rows: int) -> Subject:
    """A fifth as many records as rows elsewhere: they are larger. dlt once, as it takes long."""
    records = max(rows // 5, 1)
    size = read_once(data.events(records)).stat().st_size
    return Subject(
        key="events",
        title="Nested JSON lines → PostgreSQL, new table",
        rows=records,
        intro=f"{size / 1e6:.0f} MB: objects three deep, lists of objects and of texts. Bief makes columns of objects "
        "and keeps lists as JSON; dlt makes a table of each list, which is more work.",
        contenders=[
            _bief(around, records),
            Contender(
                "dlt",
                around.script("dlt_events", around.url, "bench_dlt", str(data.events(records)), peer="dlt"),
                prepare=around.emptied("bench_dlt", "bench_dlt_staging"),
                found=around.in_table(_COUNTED_BY_DLT, data.EVENT_COLUMNS),
                expected=_expected(records),
                most_runs=1,
                absent=around.absent("dlt"),
            ),
        ],
        goals=[times_faster(20, "dlt"), memory_at_most(300)],
    )


def events_growing(around: Surroundings, rows: int) -> Subject:
    """Bief only."""
    records = max(rows // 5, 1)
    return Subject(
        key="events", title="Nested JSON lines → PostgreSQL", rows=records, contenders=[_bief(around, records)]
    )


def _bief(around: Surroundings, records: int) -> Contender:
    return Contender(
        BIEF,
        around.bief("events", "run", "--json", **variables(data.events(records))),
        prepare=around.emptied(BIEF_SCHEMA),
        found=around.in_table(_COUNTED_BY_BIEF, data.EVENT_COLUMNS),
        expected=_expected(records),
    )


@cache
def _expected(records: int) -> Checksum:
    return in_duckdb(f"({data.events_query(records)})", data.EVENT_COLUMNS)
