"""`bief plan`: what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bief.cli.display import json_text, say, show_json, show_table
from bief.cli.opening import opened
from bief.cli.settings import DebugOption, JsonOption, ProjectOption, complete_pipelines

if TYPE_CHECKING:
    from bief.run.plan import Plan, PlannedStep

EXAMPLES: Final = """
Examples:
  bief plan                   every pipeline: what would be read, into which table, with which guarantee
  bief plan shop --json       one pipeline, for scripts
"""


def plan(
    context: typer.Context,
    *,
    pipeline: Annotated[
        str | None, typer.Argument(metavar="PIPELINE", autocompletion=complete_pipelines, help="All if not given.")
    ] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what a run would do: steps, positions, and the guarantee of each with its reason. Writes nothing."""
    with opened(context, project) as bief:
        plans = [bief.plan(name) for name in ([pipeline] if pipeline else bief.pipelines())]
    if as_json:
        show_json([_as_json(each) for each in plans])
        return
    for each in plans:
        say(f"{each.pipeline}: {each.source} → {each.destination}", "bold")
        show_table(
            ("stream", "table", "mode", "action", "position", "rows now", "guarantee"),
            [
                (
                    step.stream.name,
                    step.table if step.table_exists else f"{step.table} (new)",
                    step.mode,
                    step.action,
                    _position(step),
                    step.rows,
                    step.guarantee,
                )
                for step in each.steps
            ],
        )


def _position(step: PlannedStep) -> str:
    if step.position is None:
        return "none"
    text = ", ".join(f"{key}={_word(value)}" for key, value in step.position.value.items())
    return text or ("complete" if step.position.complete else "begun")


def _word(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def _as_json(plan: Plan) -> dict[str, Any]:
    return {
        "pipeline": plan.pipeline,
        "source": plan.source,
        "destination": plan.destination,
        "steps": [
            {
                "stream": step.stream.name,
                "table": step.table,
                "table_exists": step.table_exists,
                "rows": step.rows,
                "mode": step.mode,
                "primary_key": list(step.stream.primary_key),
                "action": step.action,
                "position": None
                if step.position is None
                else {"value": dict(step.position.value), "complete": step.position.complete},
                "guarantee": step.guarantee,
            }
            for step in plan.steps
        ],
    }
