"""The receipt of a run as a table, and what to do next. Called by `commands.run` and `commands.runs`.

Works on the JSON of a receipt, so that a run of last week looks like the run of just now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bief.cli.display import STATE_STYLES, duration, say, show_table

_COUNTS: Final = ("read", "loaded", "rejected", "filtered", "deduplicated", "deleted")


def show_receipt(receipt: Mapping[str, Any]) -> None:
    """Print the table of all streams, the verdict, and advice."""
    steps = receipt["steps"]
    show_table(
        ("stream", *_COUNTS, "seconds", "status"),
        [
            (step["stream"], *(step[count] for count in _COUNTS), round(step["seconds"], 2), step["status"])
            for step in steps
        ],
    )
    failed = [(step["stream"], check) for step in steps for check in step.get("checks", ()) if check["rows_failed"]]
    if failed:
        say("checks that rows did not keep", "bold yellow")
        show_table(
            ("stream", "check", "severity", "rows", "first"),
            [
                (stream, check["name"], check["severity"], check["rows_failed"], next(iter(check["examples"]), ""))
                for stream, check in failed
            ],
        )
    verdict = receipt["verdict"]
    loaded = sum(step["loaded"] for step in steps)
    text = f"{receipt['pipeline']}: {verdict}, {loaded} rows loaded in {duration(receipt['seconds'])}"
    say(f"{text} (run {receipt['run_id']})", STATE_STYLES.get(verdict, ""))
    for line in advice(receipt):
        say(line)


def advice(receipt: Mapping[str, Any]) -> Iterator[str]:
    """What went wrong, one line each, and what to type next."""
    run_id, verdict = receipt["run_id"], receipt["verdict"]
    if receipt["error"]:
        yield f"The run ended early: {receipt['error']}"
    for step in receipt["steps"]:
        if step["error"]:
            yield f"{step['stream']}: {step['error']}"
    kind = receipt.get("kind", "run")
    if kind == "run" and any(step["rejected"] for step in receipt["steps"]):
        yield f"Rejected rows are kept with their reason: bief quarantine list {receipt['pipeline']} --run {run_id}"
    if verdict in {"failed", "partial", "cancelled"}:
        yield f"What happened: bief logs {run_id}"
    if kind == "run" and verdict in {"failed", "partial", "cancelled"}:
        yield f"The next run goes on from the last commit: bief run {receipt['pipeline']}"
