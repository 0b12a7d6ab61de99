"""Which raw data may be loaded again into which table. Called by `bief.assemble` before anything is written.

| mode                        | may be replayed                                                                       |
|-----------------------------|---------------------------------------------------------------------------------------|
| merge                       | always: the next run goes on from where the kept run ended, and brings what is newer   |
| replace                     | a whole read                                                                          |
| history                     | with a cursor, or while no later run has loaded the stream                             |
| append with key and cursor  | always: versions that are there are not added again                                    |
| append                      | into a table without rows (the run was rolled back)                                    |
| any, with --full-refresh    | a whole read: the table is built anew from it                                          |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bief.errors import RawUnusable
from bief.run.plan import PlannedStep
from bief.run.raw_zone import KeptStream


def refuse_unsafe(steps: Sequence[PlannedStep], kept: Mapping[str, KeptStream], *, full_refresh: bool) -> None:
    """Raise `RawUnusable` for the first stream whose rows would be doubled, lost or put back in time."""
    for step in steps:
        found = kept[step.stream.name]
        whole = found.before is None or (found.before.complete and not step.stream.incremental)
        if full_refresh or step.mode == "replace":
            if not whole:
                raise _refusal(step, found, "holds what had changed only, not the whole stream.", _WITHOUT)
            continue
        if step.position is not None and not step.position.complete:
            raise _refusal(step, found, "cannot be loaded while a load of the stream is half done.", _FINISH)
        if step.mode == "history" and step.stream.cursor is None and step.position not in (found.after, None):
            raise _refusal(step, found, "is older than the table, and would be taken for the newest.", _MERGE)
        if step.mode == "append" and not (step.stream.primary_key and step.stream.cursor) and step.rows:
            raise _refusal(step, found, "would be added to a table that has its rows already.", _ANEW)


_WITHOUT = "Replay it without --full-refresh into a table of mode merge, or replay a run that read everything."
_FINISH = "Let the pipeline run to its end first, or replay with --full-refresh."
_MERGE = "Give the stream a cursor, so that an older version is known as one."
_ANEW = "Build the table anew from it with --full-refresh, or take the run back first (bief rollback)."


def _refusal(step: PlannedStep, kept: KeptStream, why: str, do: str) -> RawUnusable:
    return RawUnusable(f"what run {kept.run_id} has kept {why}", where=f"stream {step.stream.name}", do=do)
