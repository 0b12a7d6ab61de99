"""`bief quarantine`: the rejected rows, why they were rejected, and the way back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from bief.cli.display import moment, say, show_json, show_table
from bief.cli.failures import EXIT_CODES
from bief.cli.interrupts import stopping
from bief.cli.opening import opened
from bief.cli.receipts import show_receipt
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_pipelines_and_streams, in_lines
from bief.observe.printable import printable, printable_json

if TYPE_CHECKING:
    from bief.assemble.corrections import Replayed
    from bief.ports.records import QuarantinedRow
    from bief.run.replay import Outcome

LIST_EXAMPLES: Final = """
Examples:
  bief quarantine list                          how many rows, and why; and the oldest fifty
  bief quarantine list shop.orders --rule type  one stream, one rule
  bief quarantine list shop -n 100000 --json > rows.jsonl    one JSON object to a line, to be corrected and replayed
"""
SHOW_EXAMPLES: Final = """
Examples:
  bief quarantine show 17-3      all that is known of one row
"""
REPLAY_EXAMPLES: Final = """
Examples:
  bief quarantine replay shop --dry-run                   how many rows would pass now, and why the others would not
  bief quarantine replay shop.orders --rule type --yes    after the column was declared otherwise
  bief quarantine replay shop.orders --id 17-3 --id 17-4  these rows only
  bief quarantine replay shop.orders --edits rows.jsonl   with records that were corrected by hand

Exit codes: 0 done (rows may stay), 1 failed, 2 bad project or usage, 3 partial, 130 cancelled.
"""
_COLUMNS: Final = ("id", "stream", "origin", "column", "rule", "reason", "when")
Where = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE[.STREAM]", autocompletion=complete_pipelines_and_streams, help="All if not given."
    ),
]
RuleOption = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Only rows that broke this rule.")]

quarantine = typer.Typer(
    help="The rejected rows: why they were rejected, and the way back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@quarantine.command("list", epilog=in_lines(LIST_EXAMPLES))
def list_rows(
    context: typer.Context,
    *,
    where: Where = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only rows of this run (its id, a beginning, 'latest').")
    ] = None,
    rule: RuleOption = None,
    number: Annotated[int, typer.Option("-n", "--number", min=0, help="How many rows; the counts are of all.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each row, with its raw record, and nothing else.")
    ] = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """List rejected rows, oldest first, after how many there are of each stream and rule."""
    pipeline, select = (None, []) if where is None else _parts(where)
    with opened(context, project) as bief:
        found, clean = bief.quarantine(pipeline, select=select, run=run, rule=rule), bief.redactor.clean
        if as_json:
            for row in found.rows(number):
                sys.stdout.write(clean(_json_line(row)) + "\n")
            return
        counts = found.counts()
        if not counts:
            say("no rejected rows")
            return
        show_table(
            ("stream", "rule", "rows"), [(f"{each.pipeline}.{each.stream}", each.rule, each.rows) for each in counts]
        )
        total = sum(each.rows for each in counts)
        rows = list(found.rows(number))
        if rows:
            say("")
            show_table(
                ("id", "stream", "origin", "column", "rule", "reason", "when"), [_cells(row, clean) for row in rows]
            )
        if total > len(rows):
            say(f"… {len(rows)} of {total} rows: -n shows more of them", "dim")


@quarantine.command("show", epilog=in_lines(SHOW_EXAMPLES))
def show_row(
    context: typer.Context,
    *,
    row_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a row, for example 17-3.")],
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Show one rejected row with its whole record. Two destinations may both have a row of that id."""
    with opened(context, project) as bief:
        rows, clean = list(bief.quarantine(ids=[row_id]).rows()), bief.redactor.clean
        if not rows:
            raise typer.BadParameter(
                f"there is no rejected row {row_id}; bief quarantine list shows all", param_hint="'ID'"
            )
        for row in rows:
            if as_json:
                sys.stdout.write(clean(_json_line(row)) + "\n")
            else:
                _show(row, clean)


@quarantine.command("replay", epilog=in_lines(REPLAY_EXAMPLES))
def replay_rows(
    context: typer.Context,
    *,
    where: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE[.STREAM]", autocompletion=complete_pipelines_and_streams, help="For example shop.orders."
        ),
    ],
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only this row; can be given several times.")
    ] = None,
    rule: RuleOption = None,
    edits: Annotated[
        Path | None,
        typer.Option("--edits", metavar="FILE", help="Corrected records, as `list --json` prints them, by their ids."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try it and take it back: only say what would pass.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Try rejected rows again with the project file as it is now, and load those that pass.

    They leave the quarantine in the same transaction in which they get into the table; the others stay. Where the
    source is to be read next does not change.
    """
    pipeline, select = _parts(where)
    _refuse_silence(dry_run=dry_run, yes=yes)
    with opened(context, project) as bief, stopping(bief.stop):
        clean = bief.redactor.clean
        wanted: dict[str, Any] = {"select": select, "ids": ids or (), "rule": rule, "edits": edits}
        if not yes:
            tried = bief.replay(pipeline, dry_run=True, **wanted)
            _say_outcomes(tried, clean, quiet=as_json)
            if dry_run or tried.receipt.verdict != "success" or not _loaded(tried):
                _finish(tried, clean, as_json=as_json, rehearsed=True)
            typer.confirm("Bring them back?", abort=True, err=as_json)
        done = bief.replay(pipeline, **wanted)
        if yes:
            _say_outcomes(done, clean, quiet=as_json, was=True)
        _finish(done, clean, as_json=as_json)


def _parts(where: str) -> tuple[str, list[str]]:
    pipeline, dot, stream = where.partition(".")
    if not pipeline or (dot and not stream):
        raise typer.BadParameter("write PIPELINE or PIPELINE.STREAM", param_hint="'PIPELINE[.STREAM]'")
    return pipeline, [stream] if stream else []


def _refuse_silence(*, dry_run: bool, yes: bool) -> None:
    if dry_run and yes:
        raise typer.BadParameter("choose one of --dry-run and --yes", param_hint="'--yes'")
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter("there is nobody to ask: say --yes, or --dry-run to look first", param_hint="'--yes'")


def _json_line(row: QuarantinedRow) -> str:
    """A row as it can be edited and given to `replay --edits`: an object's raw record keeps its numbers as written."""
    rejected = row.rejected
    known = {
        "id": row.id,
        "pipeline": row.pipeline,
        "stream": row.stream,
        "table": row.table,
        "run": row.run_id,
        "origin": rejected.origin,
        "column": rejected.column,
        "rule": rejected.rule,
        "reason": rejected.reason,
        "rejected_at": row.rejected_at.isoformat(),
    }
    record = _object(rejected.raw, indent=-1) or json.dumps(rejected.raw, ensure_ascii=False)
    return printable_json(f'{json.dumps(known, ensure_ascii=False)[:-1]}, "raw": {record}}}')


def _object(raw: str, *, indent: int) -> str:
    """The record laid out anew, or nothing if it is no JSON object."""
    try:
        return msgspec.json.format(raw, indent=indent) if raw.lstrip().startswith("{") else ""
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _cells(row: QuarantinedRow, clean: Callable[[str], str]) -> tuple[Any, ...]:
    rejected = row.rejected
    texts = (rejected.origin, rejected.column, rejected.rule, rejected.reason)
    return (row.id, f"{row.pipeline}.{row.stream}", *(clean(text) for text in texts), moment(row.rejected_at))


def _show(row: QuarantinedRow, clean: Callable[[str], str]) -> None:
    say(f"{row.id}: {row.pipeline}.{row.stream}, for the table {row.table}", "bold")
    rejected = row.rejected
    facts = {
        "origin": rejected.origin,
        "column": rejected.column,
        "rule": rejected.rule,
        "reason": rejected.reason,
        "run": row.run_id,
        "when": moment(row.rejected_at),
    }
    for name, text in facts.items():
        say(f"{name + ':':<8} {clean(text)}")
    say("record:" if rejected.raw else "record: not kept, since its hidden columns could not be told from the others")
    for line in clean(_object(rejected.raw, indent=2) or rejected.raw).splitlines():
        sys.stdout.write(f"{printable(line)}\n")


def _say_outcomes(replayed: Replayed, clean: Callable[[str], str], *, quiet: bool, was: bool = False) -> None:
    if quiet:
        return
    outcomes: Mapping[str, Outcome] = {name: each for name, each in replayed.outcomes.items() if each.read}
    if not outcomes and replayed.receipt.verdict == "success":
        say("no rejected rows to replay")
    for stream, outcome in outcomes.items():
        passing = outcome.read - outcome.rejected
        say(f"{stream}: {passing} of {outcome.read} rows {'passed' if was else 'would pass now'}", "bold")
        if outcome.deduplicated:
            say(f"{outcome.deduplicated} of these add nothing: the table has the same or a newer row")
        if outcome.reasons:
            show_table(
                ("rows that stay", "rule", "column", "for example"),
                [(rows, rule, column, clean(reason)) for (rule, column), (rows, reason) in outcome.reasons.items()],
            )


def _loaded(replayed: Replayed) -> bool:
    return any(each.read > each.rejected for each in replayed.outcomes.values())


def _finish(replayed: Replayed, clean: Callable[[str], str], *, as_json: bool, rehearsed: bool = False) -> None:
    """Print what is left to print, and end with the exit code."""
    receipt = replayed.receipt
    if as_json:
        show_json(_as_json(replayed, clean))
    elif not rehearsed or receipt.verdict != "success":
        show_receipt(receipt.as_json())
    raise typer.Exit(EXIT_CODES[receipt.verdict])


def _as_json(replayed: Replayed, clean: Callable[[str], str]) -> dict[str, Any]:
    stays = {
        stream: [
            {"rule": rule, "column": column, "rows": rows, "example": clean(reason)}
            for (rule, column), (rows, reason) in outcome.reasons.items()
        ]
        for stream, outcome in replayed.outcomes.items()
    }
    return {**replayed.receipt.as_json(), "stays": stays}
