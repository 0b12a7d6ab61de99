"""`bief logs`: the log of a run, also while it is being written."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from bief.cli.opening import opened
from bief.cli.settings import DebugOption, ProjectOption
from bief.errors import UnknownRun
from bief.observe.logs import describe, read_log

EXAMPLES: Final = """
Examples:
  bief logs latest            the log of the last run
  bief logs latest -f         and what is still to come, until the run ends
  bief logs latest --json     as it is kept: one JSON object to a line
"""


def logs(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, a unique beginning of it, or 'latest'.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new lines until the run ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as they are kept: JSON objects.")] = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Show the log of a run: one line for each page, batch, wait, retry and error."""
    with opened(context, project) as bief:
        run_id = bief.run_record(run).run_id
        path = bief.log_path(run_id)
        if not path.is_file():
            raise UnknownRun(
                f"run {run_id} has no log in this project folder.",
                do=f"It was made on another machine, or {path.parent} was cleaned.",
            )
        ended = (lambda: bief.run_record(run_id).state != "running") if follow else None
        for line in read_log(path, ended):
            sys.stdout.write((line if as_json else describe(line)) + "\n")
            sys.stdout.flush()
