"""Where a project is: the folder that holds `bief.yaml`. Light to import, for the command line's completion."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bief.errors import Problem, ProjectError

PROJECT_FILE: Final = "bief.yaml"


def find_folder(start: Path) -> Path:
    """The folder with the project file: `start` or the nearest folder above it. Raises ProjectError."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise no_project(start, "or in a folder above it")


def no_project(folder: Path, also: str = "") -> ProjectError:
    """The error for a folder without a project file."""
    what = f"there is no {PROJECT_FILE} in {folder}{also and ' '}{also}."
    do = "Make a project with `bief init DIR`, or name its folder with --project DIR."
    return ProjectError([Problem(PROJECT_FILE, None, what, do)])
