"""`bief verify` of a table beside the time of its load."""

from __future__ import annotations

from pathlib import Path

import data
from suite.contenders import BIEF, Contender, Subject, at_most, memory_at_most
from suite.measuring import measured
from suite.subjects.csv_new import bief_orders
from suite.subjects.orders import read_once, variables
from suite.surroundings import Surroundings

_LOAD = "Bief, the load"


def verify(around: Surroundings, rows: int) -> Subject:
    """Loads, then verifies; a difference would be exit code 1, so a run that ends well found none."""
    read_once(data.orders(rows))
    load = bief_orders(around, rows)

    def loaded(folder: Path) -> None:
        load.prepare(folder)
        measured(load.command(folder))

    return Subject(
        key="verify",
        title="bief verify of a loaded CSV file",
        rows=rows,
        intro="Reads the source again and compares every row with the table.",
        contenders=[
            Contender(_LOAD, load.command, prepare=load.prepare, found=load.found, expected=load.expected),
            Contender(
                BIEF,
                around.bief("orders", "verify", "load", "--json", **variables(data.orders(rows))),
                prepare=loaded,
                note="`bief verify`",
            ),
        ],
        goals=[at_most(1.5, _LOAD), memory_at_most(300)],
    )
