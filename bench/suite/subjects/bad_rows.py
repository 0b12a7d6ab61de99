"""A CSV file in which one row of a thousand is spoilt, in ten ways, beside the clean file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import data
from suite.checksums import Checksum
from suite.contenders import BIEF, Contender, Subject, at_most, memory_at_most
from suite.server import asked
from suite.subjects.orders import expected, read_once, variables
from suite.surroundings import BIEF_SCHEMA, Surroundings

_CLEAN = "Bief, clean file"


def bad_rows(around: Surroundings, rows: int) -> Subject:
    """Bief beside itself: each bad row costs something, the good ones must not."""
    read_once(data.orders(rows))
    clean = Contender(
        _CLEAN,
        around.bief("orders_typed", "run", "--json", **variables(data.orders(rows))),
        prepare=around.emptied(BIEF_SCHEMA),
        found=around.in_table(f"{BIEF_SCHEMA}.orders", data.ORDER_COLUMNS),
        expected=expected(rows),
    )
    bad = rows // data.SPOILT_EVERY
    return Subject(
        key="bad-rows",
        title=f"CSV with {bad:,} bad rows → PostgreSQL",
        rows=rows,
        intro="Texts where numbers stand, impossible dates and times, fields too many and too few, bytes that are not "
        "UTF-8, NUL characters, values that the checks refuse. Right means: every good row is loaded, every bad one "
        "in the quarantine. Both files with declared types.",
        contenders=[
            clean,
            replace(
                clean,
                name=BIEF,
                command=around.bief("orders_typed", "run", "--json", **variables(read_once(data.broken_orders(rows)))),
                found=_good_and_quarantined(around, bad),
                expected=expected(rows, "good"),
            ),
        ],
        goals=[at_most(1.15, _CLEAN), memory_at_most(300)],
    )


def _good_and_quarantined(around: Surroundings, bad: int):
    good = around.in_table(f"{BIEF_SCHEMA}.orders", data.ORDER_COLUMNS)

    def found(folder: Path) -> Checksum:
        loaded = good(folder)
        quarantined = asked(around.url, f"SELECT count(*) FROM {BIEF_SCHEMA}._bief_quarantine")[0]
        # Rows that are in neither table, or in both, show as a wrong number of rows.
        return replace(loaded, rows=loaded.rows + quarantined - bad)

    return found
