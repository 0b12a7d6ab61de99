"""`bief verify`: compare source and destination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bief.cli.display import console, json_text, say, show_json, show_table
from bief.cli.failures import CANCELLED
from bief.cli.interrupts import stopping
from bief.cli.opening import opened
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_pipelines

if TYPE_CHECKING:
    from bief.run.verdict import Difference, Verdict
    from bief.run.verify import Progress as Watcher

DIFFERENT: Final = 1
EXAMPLES: Final = """
Examples:
  bief verify shop                                 every stream: read the source again, compare it with the table
  bief verify shop --select orders --json          one stream, for scripts
  bief verify shop --until 2026-01-31T00:00:00Z    leave out what was changed in the source after that

Exit codes: 0 equal, 1 different (or a failure), 2 bad project or usage, 130 cancelled.
"""


def verify(
    context: typer.Context,
    *,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", autocompletion=complete_pipelines)],
    select: Annotated[
        list[str] | None, typer.Option("--select", metavar="NAME", help="Only this stream; can be given several times.")
    ] = None,
    sample: Annotated[
        int,
        typer.Option(
            "--sample-differences", metavar="N", min=0, help="Show the first N rows of each kind that differ."
        ),
    ] = 10,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="VALUE", help="Leave out rows whose cursor is later, on both sides."),
    ] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Read the source again and compare every row with the destination: counts, keys, contents. Writes nothing."""
    with opened(context, project) as bief, stopping(bief.stop), _progress(quiet=as_json) as watcher:
        verdicts = bief.verify(pipeline, select=select or (), sample=sample, until=until, progress=watcher)
        stopped = bief.stop.is_set()
    if as_json:
        show_json({"pipeline": pipeline, "equal": _equal(verdicts), "streams": [each.as_json() for each in verdicts]})
    else:
        _show(pipeline, verdicts)
    raise typer.Exit(CANCELLED if stopped else 0 if _equal(verdicts) else DIFFERENT)


def _equal(verdicts: list[Verdict]) -> bool:
    return all(verdict.equal for verdict in verdicts)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Watcher]:
    """A line for each side of each stream while it is read; nothing where nobody looks."""
    out = console()
    tasks: dict[tuple[str, str], TaskID] = {}
    words = TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} rows")
    with Progress(
        SpinnerColumn(), *words, BarColumn(), TimeElapsedColumn(), console=out, transient=True,
        disable=quiet or not out.is_terminal,
    ) as bars:  # fmt: skip

        def watch(stream: str, side: str, rows: int) -> None:
            if (stream, side) not in tasks:
                tasks[stream, side] = bars.add_task(f"{stream}: {side}", total=None)
            bars.update(tasks[stream, side], completed=rows)

        yield watch


def _show(pipeline: str, verdicts: list[Verdict]) -> None:
    show_table(
        ("stream", "table", "source", "destination", "missing", "extra", "changed", "rejected", "verdict"),
        [
            (
                each.stream,
                each.table,
                each.source_rows,
                each.destination_rows,
                each.missing,
                each.extra,
                each.changed,
                each.rejected,
                "equal" if each.equal else "different",
            )
            for each in verdicts
        ],
    )
    for each in verdicts:
        for line in _remarks(each):
            say(f"{each.stream}: {line}", "dim" if each.equal else "")
        if each.differences:
            show_table(
                ("what", "key", "column", "source", "destination"),
                [_difference(difference) for difference in each.differences],
            )
    if verdicts:
        word = "source and destination are equal" if _equal(verdicts) else "source and destination differ"
        say(f"{pipeline}: {word}", "green" if _equal(verdicts) else "bold red")


def _remarks(verdict: Verdict) -> Iterator[str]:
    """What one must know to judge the numbers."""
    loaded = "never" if verdict.last_load is None else f"{verdict.last_load:%Y-%m-%d %H:%M:%S} UTC"
    yield (
        f"compared {verdict.compared}; the source was read from {verdict.source_read_from:%Y-%m-%d %H:%M:%S} UTC on "
        f"and its last complete load was {loaded}"
    )
    if not verdict.table_exists:
        yield f"there is no table {verdict.table} yet"
    elif not verdict.last_load_complete:
        yield "a load is half done: the next run goes on with it"
    if verdict.new_columns:
        yield f"the table has no column {', '.join(verdict.new_columns)}"
    if verdict.unaccounted:
        yield f"{verdict.unaccounted} rejected rows are not in the quarantine"
    if verdict.refused:
        yield f"{verdict.refused} rows were set aside while they were loaded, and are in the quarantine"
    if verdict.newer:
        yield f"{verdict.newer} of the rows that differ are newer than any row of the table: not loaded yet, or lost"
    if verdict.later:
        yield f"{verdict.later} rows are later than --until and were left out"
    if verdict.not_compared:
        yield f"{verdict.not_compared} further rows of the table are older versions or repetitions: not compared"
    if verdict.extra and verdict.mode == "merge":
        yield "mode merge keeps rows that were deleted in the source until a run with --full-refresh"


def _difference(difference: Difference) -> tuple[str, ...]:
    cells = (_cell(difference.source), _cell(difference.destination)) if difference.column else ("", "")
    return (difference.kind, _key(difference.key), difference.column, *cells)


def _key(key: Any) -> str:
    return ", ".join(f"{name}={_cell(value)}" for name, value in key.items())


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return repr(value)
    return json_text(value) if value == "" else str(value) if not isinstance(value, bytes) else value.hex()
