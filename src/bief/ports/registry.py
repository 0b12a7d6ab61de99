"""From a kind (`type:` in bief.yaml) to the class that serves it.

Built-in kinds are named here as text, so that a kind that a project does not use costs no import; other packages
add theirs by the entry point groups `bief.sources` and `bief.destinations`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from pydantic import BaseModel

from bief.errors import Problem, ProjectError
from bief.ports.destination import DestinationClass
from bief.ports.source import SourceClass

SOURCES: Final = {
    "rest": "bief.sources.rest:RestSource",
    "postgres": "bief.sources.database.postgres:PostgresSource",
    "sqlite": "bief.sources.database.sqlite:SqliteSource",
    "mysql": "bief.sources.database.mysql:MysqlSource",
    "sqlalchemy": "bief.sources.database.sqlalchemy:SqlalchemySource",
    "files": "bief.sources.files:FilesSource",
    "python": "bief.sources.python:PythonSource",
}
DESTINATIONS: Final = {
    "postgres": "bief.destinations.postgres:PostgresDestination",
    "sqlite": "bief.destinations.sqlite:SqliteDestination",
    "duckdb": "bief.destinations.duckdb:DuckdbDestination",
}


def source_kinds() -> list[str]:
    """All kinds of sources that this installation knows, built-in ones first."""
    return _kinds(SOURCES, "bief.sources")


def destination_kinds() -> list[str]:
    """All kinds of destinations that this installation knows, built-in ones first."""
    return _kinds(DESTINATIONS, "bief.destinations")


def source_class(kind: str) -> SourceClass:
    """The class of a kind of source. Raises KeyError for an unknown kind, ProjectError for a broken plug-in."""
    return cast("SourceClass", _resolve(SOURCES, "bief.sources", kind))


def destination_class(kind: str) -> DestinationClass:
    """The class of a kind of destination. Raises as `source_class`."""
    return cast("DestinationClass", _resolve(DESTINATIONS, "bief.destinations", kind))


def _kinds(built_in: dict[str, str], group: str) -> list[str]:
    plugged = sorted({entry.name for entry in entry_points(group=group)} - set(built_in))
    return [*built_in, *plugged]


def _resolve(built_in: dict[str, str], group: str, kind: str) -> Any:
    if kind in built_in:
        module, _, name = built_in[kind].partition(":")
        return getattr(importlib.import_module(module), name)
    found = list(entry_points(group=group, name=kind))
    if not found:
        raise KeyError(kind)
    if len(found) > 1:
        packages = " and ".join(sorted(map(_package, found)))
        raise _broken(f"several packages bring the type '{kind}': {packages}.", "Remove all of them but one.")
    return _loaded(found[0])


def _loaded(entry: EntryPoint) -> Any:
    """The class behind an entry point. A package that cannot be imported must only hurt those who use it."""
    try:
        found = entry.load()
        said = found.kind
        is_model = issubclass(found.Options, BaseModel)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of a plug-in may raise anything
        why = f"{type(error).__name__}: {error}"
    else:
        if said == entry.name and is_model:
            return found
        why = f"its kind is '{said}'" if is_model else "its Options are no pydantic model"
    what = f"the type '{entry.name}' of the package {_package(entry)} cannot be used: {why}."
    raise _broken(what, "Install a version of the package that works, or remove it.")


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else f"of {entry.value}"


def _broken(what: str, do: str) -> ProjectError:
    return ProjectError([Problem("bief.yaml", None, what, do)])
