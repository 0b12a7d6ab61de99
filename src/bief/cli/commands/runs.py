"""`bief runs`: the history of runs, or one run in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bief.cli.display import duration, moment, say, show_json, show_table
from bief.cli.opening import opened
from bief.cli.receipts import show_receipt
from bief.cli.settings import DebugOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from bief.state.records import RunRecord

EXAMPLES: Final = """
Examples:
  bief runs                   the last twenty runs
  bief runs latest            the receipt of the last run
  bief runs -n 100 --json     for scripts
"""


def runs(
    context: typer.Context,
    *,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id, a unique beginning of it, or 'latest'.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="How many runs.")] = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Show the history of runs, newest first, or one run with its receipt."""
    with opened(context, project) as bief:
        records = bief.runs(number) if run is None else [bief.run_record(run)]
    if as_json:
        documents = [_as_json(record) for record in records]
        show_json(documents if run is None else documents[0])
    elif run is not None:
        _show(records[0])
    elif not records:
        say("no runs yet: start one with bief run")
    else:
        show_table(
            ("run", "pipeline", "state", "started", "took", "loaded", "rejected"),
            [
                (
                    record.run_id,
                    _what(record),
                    record.state,
                    moment(record.started_at),
                    _took(record),
                    _sum(record, "loaded"),
                    _sum(record, "rejected"),
                )
                for record in records
            ],
        )


def _show(record: RunRecord) -> None:
    say(f"{record.run_id}: {record.pipeline}, started {moment(record.started_at)}", "bold")
    if record.receipt is not None:
        show_receipt(record.receipt)
        return
    say(f"{record.state}, without a receipt")
    if record.error:
        say(record.error)
    say(f"What happened: bief logs {record.run_id}")


def _what(record: RunRecord) -> str:
    kind = (record.receipt or {}).get("kind", "run")
    return record.pipeline if kind == "run" else f"{record.pipeline} ({kind})"


def _took(record: RunRecord) -> str:
    return "" if record.finished_at is None else duration((record.finished_at - record.started_at).total_seconds())


def _sum(record: RunRecord, count: str) -> int | None:
    return None if record.receipt is None else sum(step[count] for step in record.receipt["steps"])


def _as_json(record: RunRecord) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "pipeline": record.pipeline,
        "state": record.state,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "error": record.error,
        "receipt": record.receipt,
    }
