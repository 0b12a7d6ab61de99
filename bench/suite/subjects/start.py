"""How long it takes to start, and a run with nothing to do."""

from __future__ import annotations

from pathlib import Path

import data
from suite.contenders import Contender, Subject, seconds_at_most
from suite.measuring import Command, measured
from suite.peers import PEERS
from suite.subjects.csv_new import bief_orders
from suite.subjects.orders import variables
from suite.surroundings import PROGRAM, Surroundings

_HELP, _NOTHING = "`bief --help`", "`bief run`, nothing to do"
_ROWS = 1000


def _help(folder: Path) -> Command:
    return Command([PROGRAM, "--help"])


def start(around: Surroundings, rows: int) -> Subject:
    """Rows do not matter here."""
    load = bief_orders(around, _ROWS)

    def loaded(folder: Path) -> None:
        load.prepare(folder)
        measured(load.command(folder))

    return Subject(
        key="start",
        title="Start",
        rows=_ROWS,
        contenders=[
            Contender(_HELP, _help),
            Contender(
                _NOTHING,
                around.bief("orders", "run", "--json", **variables(data.orders(_ROWS))),
                prepare=loaded,
                found=load.found,
                expected=load.expected,
                note="one CSV file that was loaded before, PostgreSQL",
            ),
            *(
                Contender(
                    f"`{name} --help`",
                    around.program(name, name, "--help") if not around.absent(name) else load.command,
                    absent=around.absent(name),
                )
                for name in ("dlt", "ingestr", "sling")
                if name in PEERS
            ),
        ],
        goals=[seconds_at_most(0.25, _HELP), seconds_at_most(1.0, _NOTHING)],
    )
