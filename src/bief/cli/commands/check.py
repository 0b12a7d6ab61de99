"""`bief check`: validate the project, and with --connect reach every part of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from bief.cli.display import say, show_json, show_table
from bief.cli.failures import FAILED, USAGE
from bief.cli.opening import opened
from bief.cli.settings import DebugOption, JsonOption, ProjectOption
from bief.errors import ProjectError

EXAMPLES: Final = """
Examples:
  bief check                  read and validate bief.yaml, without any connection
  bief check --connect        also reach every source and destination
  bief check --json           the problems as JSON: file, line, what, do
"""


def check(
    context: typer.Context,
    *,
    connect: Annotated[bool, typer.Option("--connect", help="Reach every source and destination.")] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Validate the project: every problem with its file and line. Changes nothing."""
    try:
        with opened(context, project) as bief:
            found = bief.check_connections() if connect else []
            counts = f"{_counted(bief.pipelines(), 'pipeline')}, {_counted(bief.destinations(), 'destination')}"
            name = bief.name
    except ProjectError as error:
        if not as_json:
            raise
        show_json({"ok": False, "problems": [vars(problem) for problem in error.problems], "connections": []})
        raise typer.Exit(USAGE) from None
    ok = all(connection.ok for connection in found)
    if as_json:
        connections: list[dict[str, Any]] = [vars(connection) for connection in found]
        show_json({"ok": ok, "problems": [], "connections": connections})
    else:
        say(f"{name}: bief.yaml is valid ({counts})")
        if found:
            show_table(
                ("role", "name", "type", "answer"),
                [(each.role, each.name, each.kind, "ok" if each.ok else f"failed: {each.message}") for each in found],
            )
    if not ok:
        raise typer.Exit(FAILED)


def _counted(names: list[str], word: str) -> str:
    return f"{len(names)} {word}" + ("" if len(names) == 1 else "s")
