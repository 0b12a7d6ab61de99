"""Opens the project for a command. Called by every command that needs one; imports the machinery only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bief.cli.settings import lazily, settings_of

if TYPE_CHECKING:
    from bief.assemble import Project


@contextmanager
def opened(context: typer.Context, folder: Path | None) -> Iterator[Project]:
    """The project of `--project`, or of the current folder or one above it. Raises ProjectError."""
    settings = settings_of(context)
    settings.folder = folder or settings.folder
    if settings.folder is None:
        settings.folder = lazily("bief.config.folder:find_folder")(Path())
    project: Project = lazily("bief.assemble:Project").load(settings.folder)
    settings.clean = project.redactor.clean
    try:
        yield project
    finally:
        project.close()
