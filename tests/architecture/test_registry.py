"""Every kind of connector resolves, says what it is, and explains each of its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from bief.config.project import Project
from bief.ports import registry

CLASSES = {
    **{f"source {kind}": (kind, registry.source_class) for kind in registry.source_kinds()},
    **{f"destination {kind}": (kind, registry.destination_class) for kind in registry.destination_kinds()},
}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a field's type mentions, however deeply."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    found, waiting = set(), [model]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [inner for field in each.model_fields.values() for inner in models_in(field.annotation)]
    return found


def unexplained(model: type[BaseModel]) -> list[str]:
    return [
        f"{each.__name__}.{name}"
        for each in models_below(model)
        for name, field in each.model_fields.items()
        if not (field.description or "").strip()
    ]


@pytest.mark.parametrize("role", CLASSES)
def test_a_kind_resolves_and_knows_its_name(role):
    kind, find = CLASSES[role]
    assert find(kind).kind == kind


@pytest.mark.parametrize("role", CLASSES)
def test_every_option_is_closed_and_explained(role):
    kind, find = CLASSES[role]
    options = find(kind).Options
    assert unexplained(options) == []
    assert [each.__name__ for each in models_below(options) if each.model_config.get("extra") != "forbid"] == []


def test_every_key_of_the_project_file_is_explained():
    assert len(models_below(Project)) > 3
    assert unexplained(Project) == []


def test_an_unknown_kind_is_a_key_error():
    with pytest.raises(KeyError):
        registry.source_class("telepathy")
    with pytest.raises(KeyError):
        registry.destination_class("telepathy")
