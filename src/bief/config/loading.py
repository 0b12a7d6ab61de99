"""Finds, reads and validates the project file: `load_project` is the one way in.

Called by `assemble` and the command line. Everything that is wrong is reported at once, each with its line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bief.base.secrets import Redactor
from bief.config.closed import secrets_in
from bief.config.document import Document, read_document
from bief.config.folder import PROJECT_FILE, no_project
from bief.config.problems import problems_of
from bief.config.project import Project, contradictions
from bief.config.variables import Variables
from bief.errors import Problem, ProjectError


@dataclass(frozen=True)
class ProjectFile:
    """A valid project file. `redactor` knows the secrets found so far; `document` has the lines, for `problems_of`
    when a connector validates its options (prefix: `("sources", name)` or `("destinations", name)`)."""

    folder: Path
    project: Project
    document: Document = field(repr=False)
    redactor: Redactor = field(repr=False)


def load_project(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    also: Callable[[Document], Iterable[Problem]] = lambda _: (),
) -> ProjectFile:
    """Read `bief.yaml` of exactly this folder. `environment` takes the place of os.environ in tests.

    `also` finds further problems (in the options of connectors) in whatever mapping the file holds, so that they are
    reported together with the others; it is called once, also when the file is wrong already.

    Raises ProjectError with all problems: first those of the text itself, then those of variables and values together.
    """
    folder = folder.resolve()
    if not (folder / PROJECT_FILE).is_file():
        raise no_project(folder)
    variables = Variables(folder, os.environ if environment is None else environment)
    variables.read_env_file()
    document = variables.put_into(read_document(folder / PROJECT_FILE, PROJECT_FILE))
    problems = list(variables.problems)
    if not isinstance(document.data, dict):
        what = "the file is empty." if document.data is None else "the file must be a mapping (key: value)."
        raise ProjectError([Problem(PROJECT_FILE, 1, what, "It needs project, sources, destinations and pipelines.")])
    project = None
    try:
        project = Project.model_validate(document.data)
    except ValidationError as error:
        problems += problems_of(error, document)
    if project is not None:
        problems += [Problem(PROJECT_FILE, document.line_of(keys), *words) for keys, *words in contradictions(project)]
    problems += also(document)
    if problems or project is None:
        raise ProjectError(_in_order(problems))
    for secret in secrets_in(project):
        variables.redactor.learn(secret)
    return ProjectFile(folder, project, document, variables.redactor)


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0))
