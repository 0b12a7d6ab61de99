"""The one place that joins concrete parts: from the project file to sources, destinations and pipelines.

Called by `assemble.project`. Connectors are found by their kind in the registry; making them does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from bief.assemble.checking import check_problems, circle_problems
from bief.config.closed import secrets_in
from bief.config.document import Document, Keys
from bief.config.json_schema import project_schema
from bief.config.loading import ProjectFile
from bief.config.problems import problems_of
from bief.errors import Problem, ProjectError
from bief.guard.budget import Budget
from bief.guard.checks import checks_of
from bief.ports import registry
from bief.ports.destination import Destination, DestinationClass
from bief.ports.runtime import Runtime
from bief.ports.source import Source, SourceClass
from bief.run.plan import Pipeline, StreamLoad

_KINDS: Final[dict[str, tuple[Callable[[str], SourceClass | DestinationClass], Callable[[], list[str]]]]] = {
    "sources": (registry.source_class, registry.source_kinds),
    "destinations": (registry.destination_class, registry.destination_kinds),
}


@dataclass(frozen=True)
class Joined:
    """The parts of a project by their names in the project file."""

    sources: dict[str, Source]
    destinations: dict[str, Destination]
    pipelines: dict[str, Pipeline]


def option_problems(document: Document) -> list[Problem]:
    """What is wrong with the options of all connectors, in a file that may be wrong in other ways too."""
    problems = list[Problem]()
    for section in ("sources", "destinations"):
        declared = document.data.get(section)
        for name, options in declared.items() if isinstance(declared, dict) else ():
            if isinstance(options, dict) and isinstance(options.get("type"), str):
                with _collected(problems, document, (section, name)):
                    _options(document, section, name, options)
    return problems


def join(file: ProjectFile, runtime: Runtime) -> Joined:
    """Make every connector and join the pipelines. Raises ProjectError with all problems of all of them."""
    project, problems = file.project, list[Problem]()
    joined = Joined({}, {}, {})
    for name, source in project.sources.items():
        with _collected(problems, file.document, ("sources", name)):
            options = _options(file.document, "sources", name, {"type": source.type, **source.options})
            joined.sources[name] = registry.source_class(source.type)(name, _known(options, runtime), runtime)
    for name, destination in project.destinations.items():
        with _collected(problems, file.document, ("destinations", name)):
            options = _options(file.document, "destinations", name, {"type": destination.type, **destination.options})
            made = registry.destination_class(destination.type)
            joined.destinations[name] = made(name, _known(options, runtime), runtime)
    for name, declared in project.pipelines.items():
        if declared.source in joined.sources and declared.destination in joined.destinations:
            with _collected(problems, file.document, ("pipelines", name)):
                joined.pipelines[name] = _pipeline(file, name, joined)
    if problems:
        raise ProjectError(sorted(problems, key=lambda problem: problem.line or 0))
    return joined


def _options(document: Document, section: str, name: str, options: Mapping[str, Any]) -> BaseModel:
    """The options of one connector, read by its own model. Raises ProjectError."""
    find, kinds = _KINDS[section]
    try:
        model = find(options["type"]).Options
    except KeyError:
        what = f"{section}.{name}.type: there is no type '{options['type']}'."
        line = document.line_of((section, name, "type"))
        advice = f"The types of {section} are {', '.join(kinds())}."
        raise ProjectError([Problem(document.file, line, what, advice)]) from None
    try:
        return model.model_validate(options)
    except ValidationError as error:
        raise ProjectError(problems_of(error, document, (section, name))) from None


def _known(options: BaseModel, runtime: Runtime) -> BaseModel:
    """The same options, once their secrets are known to the redactor."""
    for secret in secrets_in(options):
        runtime.redactor.learn(secret)
    return options


def _pipeline(file: ProjectFile, name: str, joined: Joined) -> Pipeline:
    declared = file.project.pipelines[name]
    source, destination = joined.sources[declared.source], joined.destinations[declared.destination]
    offered = {stream.name: stream for stream in source.streams()}
    chosen = list(declared.streams) if declared.streams else list(offered)
    problems = [
        Problem(
            file.document.file,
            file.document.line_of(("pipelines", name, "streams", stream)),
            f"pipelines.{name}: the source '{declared.source}' has no stream '{stream}'.",
            f"Its streams are {', '.join(offered)}.",
        )
        for stream in chosen
        if stream not in offered
    ]
    problems = problems or list(check_problems(file.document, name, declared, offered, chosen))
    if problems:
        raise ProjectError(problems)
    loads = tuple(
        StreamLoad(
            stream=offered[stream],
            table=declared.table_of(stream),
            mode=declared.mode_of(stream),
            max_rejected=Budget.parse(declared.max_rejected_of(stream)),
            allow_empty=declared.allows_empty(stream),
            contract=declared.contract_of(stream),
            checks=checks_of(declared.checks.get(stream, ())),
        )
        for stream in chosen
    )
    problems = [problem for load in loads for problem in _contradictions(file, name, load, destination)]
    problems += circle_problems(file.document, name, loads)
    if problems:
        raise ProjectError(problems)
    return Pipeline(
        name=name,
        source_name=declared.source,
        source=source,
        destination_name=declared.destination,
        destination=destination,
        loads=loads,
        parallel_streams=declared.parallel_streams,
    )


def _contradictions(file: ProjectFile, pipeline: str, load: StreamLoad, destination: Destination) -> Iterator[Problem]:
    """What a stream is and what its mode needs, held against each other."""
    stream, mode = load.stream, load.mode
    keys = ("pipelines", pipeline, "streams", stream.name)
    line = file.document.line_of(keys)

    def problem(what: str, do: str) -> Problem:
        return Problem(file.document.file, line, f"pipelines.{pipeline}.{stream.name}: {what}", do)

    declared = file.project.pipelines[pipeline]
    hidden = [name for name, rule in stream.shape.columns.items() if rule.hidden]
    if hidden and declared.keeps_raw(stream.name) and not declared.raw.hidden_columns:
        yield problem(
            f"raw data would show the columns {', '.join(hidden)}, which are hidden, as they came.",
            f"Leave this stream out (streams: {{{stream.name}: {{keep_raw: false}}}}), or say "
            "keep_raw: {hidden_columns: true}.",
        )
    if mode not in destination.capabilities.modes:
        known = ", ".join(sorted(destination.capabilities.modes))
        yield problem(f"a destination of type {destination.kind} has no mode '{mode}'.", f"Its modes are {known}.")
    if mode in {"merge", "history"} and not stream.primary_key:
        yield problem(
            f"mode '{mode}' needs to know which rows are the same row.",
            f"Give the stream '{stream.name}' of the source a primary_key, or choose mode append or replace.",
        )
    if mode == "append" and stream.deletes:
        yield problem("mode 'append' cannot apply the deletes of the change feed.", "Choose merge or history.")
    if mode == "append" and stream.incremental and stream.overlaps and not stream.primary_key:
        yield problem(
            "rows at the boundary between two runs come twice, and without a key they cannot be told apart.",
            f"Give the stream '{stream.name}' of the source a primary_key.",
        )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of bief.yaml with every connector that this installation knows and can use."""
    return project_schema(_options_models("sources"), _options_models("destinations"))


def _options_models(section: str) -> dict[str, type[BaseModel]]:
    """The options of each kind. A broken plug-in is an error of the projects that use it, and left out here."""
    find, kinds = _KINDS[section]
    models: dict[str, type[BaseModel]] = {}
    for kind in kinds():
        with suppress(ProjectError):
            models[kind] = find(kind).Options
    return models


@contextmanager
def _collected(problems: list[Problem], document: Document, keys: Keys) -> Iterator[None]:
    """Keeps the problems of a part, which stands at `keys`; a part knows its name but not its line."""
    try:
        yield
    except ProjectError as error:
        line = document.line_of(keys)
        problems += [
            replace(each, line=line) if each.line is None and each.file == document.file else each
            for each in error.problems
        ]
