"""What all subjects share: the database, the peers, the programs, and the project folders of Bief."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.checksums import Checksum, in_postgres
from suite.measuring import Command, measured
from suite.peers import BENCH, OURS, PEERS, psql
from suite.server import emptied

BIEF_SCHEMA = "bench_bief"
PROGRAM = str(OURS / "bief")
_QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "SLING_DISABLE_TELEMETRY": "true",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "DISABLE_TELEMETRY": "true",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class Surroundings:
    """`url` is a PostgreSQL database that this report may empty; `open` holds what must
    stay open until the report is written."""

    url: str
    with_peers: bool
    open: contextlib.ExitStack

    def absent(self, peer: str) -> str:
        """Why a peer is not measured; empty if it is."""
        return PEERS[peer].absent if self.with_peers else "left out (--without-peers)"

    def bief(self, project: str, *arguments: str, **variables: str):
        """The command for a contender: `bief ARGUMENTS` in a copy of `bench/projects/PROJECT`."""

        def command(folder: Path) -> Command:
            place = folder / "project"
            if not place.exists():
                shutil.copytree(BENCH / "projects" / project, place)
            environment = {"BENCH_DATABASE_URL": self.url, **variables}
            return Command([PROGRAM, *arguments, "-C", str(place)], environment, folder)

        return command

    def script(self, name: str, *arguments: str, peer: str | None = None):
        """The command for a contender: `python bench/peers/NAME.py ARGUMENTS`, by Bief's Python or that of a peer.

        `{folder}` in an argument is the scratch folder of the run.
        """
        python = PEERS[peer].python if peer else str(OURS / "python")

        def command(folder: Path) -> Command:
            given = [argument.replace("{folder}", str(folder)) for argument in arguments]
            environment = {**_QUIET, "DLT_DATA_DIR": str(folder / "dlt")}
            return Command([python, str(BENCH / "peers" / f"{name}.py"), *given], environment, folder)

        return command

    def program(self, peer: str, name: str, *arguments: str, **variables: str):
        """The command for a contender: a program of a peer. `{folder}` as above, also in variables."""

        def command(folder: Path) -> Command:
            given = [argument.replace("{folder}", str(folder)) for argument in arguments]
            homes = {"SLING_HOME_DIR": str(folder / "sling"), "DLT_DATA_DIR": str(folder / "dlt")}
            if peer == "sling":
                PEERS[peer].extensions_for(folder)
                homes |= {"DUCKDB_PATH": PEERS[peer].program("duckdb"), "HOME": str(folder)}
            homes |= {key: value.replace("{folder}", str(folder)) for key, value in variables.items()}
            return Command([PEERS[peer].program(name), *given], {**_QUIET, **homes}, folder)

        return command

    def psql(self, statements: Sequence[str]):
        """The command for a contender: one session of psql with these statements."""

        def command(folder: Path) -> Command:
            each = [part for statement in statements for part in ("-c", statement)]
            return Command([psql() or "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url, *each])

        return command

    def emptied(self, *schemas: str, then: Sequence[str] = ()):
        """The preparation of a contender: these schemas are gone, then each statement of psql, then a checkpoint."""

        def prepare(folder: Path) -> None:
            emptied(self.url, *schemas)
            if then:
                measured(self.psql([*then, "CHECKPOINT"])(folder))

        return prepare

    def in_table(self, relation: str, columns: dict[str, str]):
        """The result of a contender: the checksum of a relation of the database."""

        def found(folder: Path) -> Checksum:
            return in_postgres(self.url, relation, columns)

        return found
