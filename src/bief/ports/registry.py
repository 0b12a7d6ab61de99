"""From a kind (`type:` in bief.yaml) to the class that serves it.

Built-in kinds are named here as text, so that a kind that a project does not use costs no import; other packages
add theirs by the entry point groups `bief.sources` and `bief.destinations`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any, Final, cast

from bief.ports.destination import DestinationClass
from bief.ports.source import SourceClass

SOURCES: Final = {"rest": "bief.sources.rest:RestSource"}
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
    """The class of a kind of source. Raises KeyError for an unknown kind."""
    return cast("SourceClass", _resolve(SOURCES, "bief.sources", kind))


def destination_class(kind: str) -> DestinationClass:
    """The class of a kind of destination. Raises KeyError for an unknown kind."""
    return cast("DestinationClass", _resolve(DESTINATIONS, "bief.destinations", kind))


def _kinds(built_in: dict[str, str], group: str) -> list[str]:
    plugged = sorted(entry.name for entry in entry_points(group=group) if entry.name not in built_in)
    return [*built_in, *plugged]


def _resolve(built_in: dict[str, str], group: str, kind: str) -> Any:
    if kind in built_in:
        module, _, name = built_in[kind].partition(":")
        return getattr(importlib.import_module(module), name)
    for entry in entry_points(group=group, name=kind):
        return entry.load()
    raise KeyError(kind)
