"""What the command line was told, shared by all commands: the options that every command has, and completion.

Read by `main`, `opening`, `failures` and every command.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer


@dataclass
class Settings:
    """Travels through a command as Typer's context object. `clean` is the redactor of the project once it is open."""

    folder: Path | None = None
    debug: bool = False
    clean: Callable[[str], str] | None = None


def lazily(place: str) -> Any:
    """The object at "module:name", imported now: for what must not be loaded by `--help` and completion."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def settings_of(context: typer.Context) -> Settings:
    """The settings of this call of the command line."""
    return cast("Settings", context.obj)


def _debug(context: typer.Context, asked: bool) -> bool:  # noqa: FBT001 - typer's way
    settings_of(context).debug |= asked
    return asked


def in_lines(examples: str) -> str:
    """Examples for the end of a help text, whose lines stay as they are."""
    return "\b\n" + examples.strip("\n")


ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", "-C", metavar="DIR", help="The project folder; else the current one or one above it."),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", callback=_debug, help="Print the traceback of an unexpected error.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.")]


def complete_pipelines(context: typer.Context, incomplete: str) -> list[str]:
    """The pipelines of the project that begin like this."""
    return [name for name in _section(context, "pipelines") if name.startswith(incomplete)]


def complete_destinations(context: typer.Context, incomplete: str) -> list[str]:
    """The destinations of the project that begin like this."""
    return [name for name in _section(context, "destinations") if name.startswith(incomplete)]


def complete_streams(context: typer.Context, incomplete: str) -> list[str]:
    """PIPELINE.STREAM for every stream that the project file shows."""
    found = [f"{name}.{stream}" for name in _section(context, "pipelines") for stream in _streams(context, name)]
    return [name for name in found if name.startswith(incomplete)]


def complete_pipelines_and_streams(context: typer.Context, incomplete: str) -> list[str]:
    """Pipelines, and PIPELINE.STREAM as soon as there is a dot."""
    return complete_streams(context, incomplete) if "." in incomplete else complete_pipelines(context, incomplete)


def _streams(context: typer.Context, pipeline: str) -> list[str]:
    declared = _section(context, "pipelines")[pipeline]
    if not isinstance(declared, dict):
        return []
    source = _section(context, "sources").get(str(declared.get("source")))
    streams = declared.get("streams") or (source.get("streams") if isinstance(source, dict) else None)
    return [str(stream) for stream in streams] if isinstance(streams, dict | list) else []


def _section(context: typer.Context, name: str) -> dict[str, Any]:
    """One mapping of the project file as it is written, or nothing: completion must never fail."""
    folder = context.params.get("project") or (context.parent.params.get("project") if context.parent else None)
    try:
        start = lazily("bief.config.folder:find_folder")(Path(folder or "."))
        data = lazily("bief.config.document:read_document")(start / "bief.yaml", "bief.yaml").data
    except Exception:  # noqa: BLE001 - a broken project file completes to nothing
        return {}
    section = data.get(name) if isinstance(data, dict) else None
    return section if isinstance(section, dict) else {}
