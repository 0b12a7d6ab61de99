"""`bief rollback`: take back what a run has loaded."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bief.cli.display import say, show_json, show_table
from bief.cli.failures import EXIT_CODES, FAILED
from bief.cli.interrupts import stopping
from bief.cli.opening import opened
from bief.cli.receipts import show_receipt
from bief.cli.settings import DebugOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from bief.run.rollback import Rollback

EXAMPLES: Final = """
Examples:
  bief rollback latest --dry-run           what the last run has loaded, and whether it can be taken back
  bief rollback 20261120-131502-3f9c1a     take it back; it asks first
  bief rollback latest --stream orders -y  one stream of it, without asking

Exit codes: 0 taken back (or can be), 1 not possible or failed, 2 bad project or usage, 3 partial, 130 cancelled.
"""


def rollback(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, a unique beginning of it, or 'latest'.")],
    stream: Annotated[
        list[str] | None, typer.Option("--stream", metavar="NAME", help="Only this stream; can be given several times.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Take back what the newest run of a stream has loaded, in the modes append and history.

    Its rows leave the table and the quarantine, and the stream stands where it stood before: the next run loads the
    same rows again. What cannot be undone exactly is refused.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter("there is nobody to ask: say --yes, or --dry-run to look first", param_hint="'--yes'")
    with opened(context, project) as bief, stopping(bief.stop):
        plan = bief.plan_rollback(run, stream or ())
        if dry_run:
            _show(plan, as_json=as_json)
            raise typer.Exit(FAILED if plan.refusals else 0)
        if not yes and not plan.refusals:
            if not as_json:
                _show(plan, as_json=False)
            typer.confirm("Take these rows back?", abort=True, err=as_json)
        receipt = bief.rollback(run, stream or ())
    if as_json:
        show_json(receipt.as_json())
    else:
        show_receipt(receipt.as_json())
        if receipt.verdict == "success":
            say(f"The next run loads the same rows again: bief run {receipt.pipeline}")
    raise typer.Exit(EXIT_CODES[receipt.verdict])


def _show(plan: Rollback, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(plan))
        return
    say(f"{plan.pipeline}: run {plan.run_id}", "bold")
    show_table(
        ("stream", "table", "mode", "rows", "rejected", "can be taken back"),
        [
            (each.stream, each.table, each.mode, each.rows, each.rejected, "no" if each.refusal else "yes")
            for each in plan.streams
        ],
    )
    for refusal in plan.refusals:
        say(refusal)
