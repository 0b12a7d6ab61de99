"""One JSON Schema for bief.yaml, with the options of every connector under its `type`: editors complete and check it.

Called by `assemble`, which knows the connectors. The schema allows `${NAME}` wherever a number, a boolean or one of
a few words is wanted, because the variable may hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from bief.config.project import Project

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
_DESCRIBING: Final = ("title", "description", "default", "examples", "deprecated")


def project_schema(
    source_options: Mapping[str, type[BaseModel]], destination_options: Mapping[str, type[BaseModel]]
) -> dict[str, Any]:
    """The schema of the project file, given the options model of each kind of source and destination."""
    schema = Project.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    definitions.pop("Connection")
    for section, role, options in (
        ("sources", "source", source_options),
        ("destinations", "destination", destination_options),
    ):
        for kind, model in options.items():
            _define(definitions, f"{role}.{kind}", kind, model)
        definitions[role] = _one_of(role, list(options))
        by_name = schema["properties"][section]
        by_name["patternProperties"] = {name: {"$ref": f"#/$defs/{role}"} for name in by_name["patternProperties"]}
    for section in ("sources", "destinations", "pipelines"):
        schema["properties"][section]["additionalProperties"] = False
    whole: dict[str, Any] = _with_references(schema)
    return {"$schema": _DRAFT, **whole, "title": "bief.yaml"}


def _define(definitions: dict[str, Any], name: str, kind: str, model: type[BaseModel]) -> None:
    """Put a connector's options under a name of its own, so that two connectors may have models of the same name."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for inner, definition in schema.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = definition
    described = schema.get("properties", {}).get("type", {}).get("description", "The kind of connector.")
    schema["properties"] = {
        "type": {"const": kind, "description": described},
        **_but_type(schema.get("properties", {})),
    }
    schema["required"] = ["type", *(key for key in schema.get("required", []) if key != "type")]
    definitions[name] = schema


def _but_type(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key != "type"}


def _one_of(role: str, kinds: list[str]) -> dict[str, Any]:
    """By if and then, not oneOf: an editor then reports what is wrong for this type instead of for all of them."""
    branches = [
        {
            "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{role}.{kind}"},
        }
        for kind in kinds
    ]
    return {
        "type": "object",
        "description": f"A {role}: its type decides which other keys it has.",
        "properties": {"type": {"enum": kinds, "description": "The kind of connector."}},
        "required": ["type"],
        "allOf": branches,
    }


def _with_references(schema: Any) -> Any:
    """The schema in which every number, boolean and closed choice may also be written as `${NAME}`."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _inside(key, value) for key, value in schema.items()}
    if not _needs_reference(inner):
        return inner
    around = {key: value for key, value in inner.items() if key in _DESCRIBING}
    strict = {key: value for key, value in inner.items() if key not in _DESCRIBING}
    return {"anyOf": [strict, _REFERENCE], **around}


def _inside(key: str, value: Any) -> Any:
    if key in {"default", "examples", "const", "enum", "required", "propertyNames"}:
        return value
    if key in {"properties", "patternProperties", "$defs"} and isinstance(value, dict):
        # `type` chooses the branch, of connectors and of unions inside them: it must stand in the file itself.
        return {
            name: item if name == "type" and _fixed(item) else _with_references(item) for name, item in value.items()
        }
    return value if key == "if" else _with_references(value)


def _fixed(item: Any) -> bool:
    return isinstance(item, dict) and ("const" in item or "enum" in item)


def _needs_reference(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    kinds = set(kinds) if isinstance(kinds, list) else {kinds}
    if "enum" in schema:
        return True
    return bool(kinds & {"integer", "number", "boolean"}) or (kinds == {"string"} and "pattern" in schema)
