"""`bief run`: run pipelines now, and say what became of every row."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bief.cli.display import console, say, show_json
from bief.cli.failures import CANCELLED, EXIT_CODES, FAILED, PARTIAL, report
from bief.cli.interrupts import stopping
from bief.cli.opening import opened
from bief.cli.progress import LiveProgress, QuietProgress
from bief.cli.receipts import show_receipt
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_pipelines, settings_of
from bief.errors import RunError, UnknownRun

if TYPE_CHECKING:
    from bief.assemble import Project
    from bief.run.receipt import Receipt

EXAMPLES: Final = """
Examples:
  bief run                                   all pipelines, one after the other
  bief run shop --select customers           one stream of one pipeline
  bief run shop --full-refresh               read everything again and rebuild the tables
  bief run shop --from-raw latest            load again what the latest run has kept, without the source
  bief run shop --json                       the receipt as JSON

Exit codes: 0 success, 1 failed, 2 bad project or usage, 3 partial, 130 cancelled.
"""


def run(
    context: typer.Context,
    *,
    pipelines: Annotated[
        list[str] | None,
        typer.Argument(metavar="PIPELINE", autocompletion=complete_pipelines, help="All if none is given."),
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Forget positions, read everything and rebuild the tables.")
    ] = False,
    select: Annotated[
        list[str] | None, typer.Option("--select", metavar="NAME", help="Only this stream; can be given several times.")
    ] = None,
    from_raw: Annotated[
        str | None,
        typer.Option("--from-raw", metavar="RUN", help="Load what that run has kept (keep_raw), without the source."),
    ] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Run pipelines now. Ctrl-C stops after the current batch; pressed twice, at once."""
    receipts: list[Receipt] = []
    refused = False
    with opened(context, project) as bief, stopping(bief.stop):
        names = pipelines or bief.pipelines()
        if from_raw is not None and len(names) != 1:
            raise typer.BadParameter("say which pipeline, and one only", param_hint="'--from-raw'")
        how: dict[str, Any] = {"full_refresh": full_refresh, "select": select or (), "from_raw": from_raw}
        for name in names:
            if bief.stop.is_set():
                break
            try:
                receipts.append(_run(bief, name, how, as_json=as_json))
            except UnknownRun:
                raise
            except RunError as error:
                # One pipeline that cannot start now, because it is running elsewhere, must not keep the others.
                report(error, settings_of(context))
                refused = True
        stopped = bief.stop.is_set()
    if as_json and receipts:
        documents = [receipt.as_json() for receipt in receipts]
        show_json(documents[0] if len(names) == 1 else documents)
    raise typer.Exit(_exit_code([receipt.verdict for receipt in receipts], refused=refused, stopped=stopped))


def _run(bief: Project, name: str, how: Mapping[str, Any], *, as_json: bool) -> Receipt:
    if as_json:
        return bief.run(name, **how)
    with LiveProgress(console()) if sys.stdout.isatty() else QuietProgress(say) as progress:
        receipt = bief.run(name, **how, subscribers=[progress])
    show_receipt(receipt.as_json())
    return receipt


def _exit_code(verdicts: Sequence[str], *, refused: bool, stopped: bool) -> int:
    """The worst of all: a script must not take a failure for a success because another pipeline went well."""
    codes = {EXIT_CODES[verdict] for verdict in verdicts} | ({FAILED} if refused else set())
    if stopped:
        codes.add(CANCELLED)
    return next((code for code in (CANCELLED, FAILED, PARTIAL) if code in codes), 0)
