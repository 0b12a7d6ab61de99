"""What can be wrong with the checks of a pipeline before any data is there, once its streams are known.

Called by `assemble.joining`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bief.batches.shaping import Shape
from bief.config.checks import CheckOptions
from bief.config.document import Document
from bief.config.project import Pipeline
from bief.errors import Problem
from bief.ports.source import Stream
from bief.run.plan import StreamLoad, parents


def check_problems(
    document: Document, name: str, declared: Pipeline, offered: Mapping[str, Stream], chosen: Sequence[str]
) -> Iterator[Problem]:
    """Checks of streams that the pipeline does not load, and of columns that no table will have."""
    for stream, checks in declared.checks.items():
        keys = ("pipelines", name, "checks", stream)
        if stream not in chosen:
            what = f"pipelines.{name}.checks: the pipeline loads no stream '{stream}'."
            yield Problem(document.file, document.line_of(keys), what, f"It loads {', '.join(chosen)}.")
            continue
        for number, check in enumerate(checks):
            for what, do in _about_columns(check, offered[stream].shape):
                line = document.line_of((*keys, number, check.kind))
                place = f"pipelines.{name}.checks.{stream}[{number + 1}].{check.kind}"
                yield Problem(document.file, line, f"{place}: {what}", do)


def circle_problems(document: Document, name: str, loads: Sequence[StreamLoad]) -> Iterator[Problem]:
    """Relationships that lead back to where they begin: no stream could be loaded first."""
    waiting = {load.stream.name: set(parents(load, loads)) for load in loads}
    while ready := [stream for stream, others in waiting.items() if not others & waiting.keys()]:
        for stream in ready:
            del waiting[stream]
    if waiting:
        streams = ", ".join(waiting)
        line = document.line_of(("pipelines", name, "checks", next(iter(waiting))))
        what = f"pipelines.{name}.checks: the relationships of {streams} go in a circle, so none can be loaded first."
        yield Problem(document.file, line, what, "Leave one of them out.")


def _about_columns(check: CheckOptions, shape: Shape) -> Iterator[tuple[str, str]]:
    renamed = {rule.rename for rule in shape.columns.values() if rule.rename}
    for column in check.columns:
        rule = shape.columns.get(column)
        if column in renamed:
            continue
        if shape.drops(column):
            yield f"the column '{column}' is dropped by its stream.", "Check another column, or do not drop it."
        elif rule is not None and rule.rename:
            yield f"the column '{column}' is renamed to '{rule.rename}'.", "Write the name that it has in the table."
        elif shape.hides(column) and check.kind in {"accepted_values", "range", "regex"}:
            what = f"the column '{column}' is made unreadable by its stream: the check would not see its value."
            yield what, "Check another column."
