"""`bief query`: ask a destination, read-only."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bief.cli.display import as_json as words_of_json
from bief.cli.display import json_text, say, show_json, show_table
from bief.cli.opening import opened
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_destinations

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_ROWS: Final = 100
EXAMPLES: Final = """
Examples:
  bief query "SELECT * FROM customers"                     the first 100 rows, as a table
  bief query "SELECT * FROM customers" --csv > c.csv       all rows
  bief query "SELECT count(*) AS n FROM customers" -d warehouse --json
"""


def query(
    context: typer.Context,
    *,
    sql: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT statement, in quotes.")],
    destination: Annotated[
        str | None,
        typer.Option(
            "--destination",
            "-d",
            metavar="NAME",
            autocompletion=complete_destinations,
            help="Which destination; needed if there are several.",
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("-n", "--rows", min=1, help="At most so many rows; a table shows 100 if not given.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Ask a destination and print the rows. Anything but a SELECT is refused."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="'--csv'")
    table_wanted = not (as_json or as_csv)
    limit = rows or (_SHOWN_ROWS if table_wanted else None)
    with opened(context, project) as bief:
        # One more than is shown, to know whether there are more.
        found = bief.query(sql, destination, limit + 1 if limit and table_wanted else limit)
    if as_json:
        show_json(found.to_pylist())
    elif as_csv:
        _write_csv(found)
    else:
        _show(found, limit or _SHOWN_ROWS)


def _show(found: pa.Table, limit: int) -> None:
    shown = found.slice(0, limit)
    show_table(shown.column_names, _rows(shown))
    if found.num_rows > limit:
        say("… there are more rows: -n shows more of them, --csv all", "dim")
    else:
        say(f"{found.num_rows} rows", "dim")


def _rows(table: pa.Table) -> list[list[Any]]:
    """By position: a SELECT may name two columns alike."""
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _write_csv(table: pa.Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches():
        writer.writerows(
            [_csv_cell(value) for value in row]
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        )


def _csv_cell(value: Any) -> Any:
    return json_text(value) if isinstance(value, dict | list) else words_of_json(value)
