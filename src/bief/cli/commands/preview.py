"""`bief preview`: rows before and after shaping, nothing written."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from bief.cli.display import json_text, say, show_json, show_table
from bief.cli.opening import opened
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_streams

EXAMPLES: Final = """
Examples:
  bief preview shop.customers           three rows, as the source gives them and as they would be loaded
  bief preview shop.customers -n 10 --json
"""


def preview(
    context: typer.Context,
    *,
    stream: Annotated[
        str,
        typer.Argument(metavar="PIPELINE.STREAM", autocompletion=complete_streams, help="For example shop.customers."),
    ],
    rows: Annotated[int, typer.Option("-n", "--rows", min=1, max=1000, help="How many rows.")] = 3,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Read a few rows of a stream and show them before and after shaping. Writes nothing."""
    pipeline, dot, name = stream.partition(".")
    if not (pipeline and dot and name):
        raise typer.BadParameter("write PIPELINE.STREAM, for example shop.customers", param_hint="'PIPELINE.STREAM'")
    with opened(context, project) as bief:
        found = bief.preview(pipeline, name, rows)
    if as_json:
        rejected: list[dict[str, Any]] = [asdict(row) for row in found.rejected]
        show_json({"stream": found.stream, "before": found.before, "after": found.after, "rejected": rejected})
        return
    say("before: as the source gives them", "bold")
    for record in found.before:
        say(json_text(record))
    say("after: as they would be loaded", "bold")
    show_records(found.after)
    if found.rejected:
        say("rejected: kept in the quarantine with the reason", "bold yellow")
        show_table(
            ("origin", "column", "rule", "reason"),
            [(row.origin, row.column, row.rule, row.reason) for row in found.rejected],
        )


def show_records(records: list[dict[str, Any]]) -> None:
    """Rows as a table, with every column that one of them has."""
    columns = list(dict.fromkeys(column for record in records for column in record))
    if not columns:
        say("no rows")
        return
    show_table(columns, [[record.get(column) for column in columns] for record in records])
