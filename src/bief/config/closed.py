"""The base of all models that read the project file, connectors' options included.

`Closed` refuses what YAML and pydantic would quietly accept: an unknown key (with a suggestion), `no` for a boolean,
`010` for a number, `true` for 1. `config.problems` turns what it raises into sentences.
"""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from bief.base.secrets import Secret

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BOOLEANS: Final = {"true": True, "false": False}
_UNIONS: Final = (Union, types.UnionType)


class Closed(BaseModel):
    """A frozen model in which an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True, regex_engine="python-re"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _said_plainly(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        if isinstance(data, dict):
            data = {key: _typed(cls, key, value) for key, value in data.items()}
        try:
            return handler(data)
        except ValidationError as error:
            raise _with_suggestions(cls, error) from None


def secrets_in(value: Any) -> Iterator[Secret]:
    """All secrets inside a model, mapping or list: what a `Redactor` must learn."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name))
        yield from secrets_in(value.model_extra)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from secrets_in(inner)


class _Misfit:
    """Takes the place of a value that pydantic would convert although its writer meant something else."""

    def __init__(self, value: object) -> None:
        self.value = value


def _typed(model: type[BaseModel], key: Any, value: Any) -> Any:
    """The value, converted if it is the spelling of what the field wants: `${PORT}` gives text also for a number."""
    kinds = _scalars(model, key)
    if not kinds or value is None:
        return value
    if isinstance(value, str):
        converted = _converted(kinds, value)
        return _Misfit(value) if converted is None else converted
    if isinstance(value, bool):
        return value if bool in kinds else _Misfit(value)
    return value if kinds & {int, float} else _Misfit(value)


def _converted(kinds: set[Any], text: str) -> bool | int | float | None:
    if bool in kinds and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if int in kinds and _INTEGER.fullmatch(text):
        return int(text)
    if float in kinds and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return None


def _scalars(model: type[BaseModel], key: Any) -> set[Any]:
    """The types of a field that takes nothing but numbers and booleans; empty for every other field."""
    for name, field in model.model_fields.items():
        if key in {name, field.alias, field.validation_alias}:
            kinds = set(_flattened(field.annotation)) - {type(None)}
            return kinds if kinds <= {bool, int, float} else set()
    return set()


def _flattened(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flattened(get_args(annotation)[0])
    elif origin in _UNIONS:
        for part in get_args(annotation):
            yield from _flattened(part)
    else:
        yield annotation


def _with_suggestions(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """The same error, in which each unknown key of this model knows the keys that are allowed."""
    allowed = sorted(field.alias or name for name, field in model.model_fields.items())
    lines: list[InitErrorDetails] = []
    for detail in error.errors(include_url=False):
        kind, known = detail["type"], {**detail.get("ctx", {}), "message": detail["msg"]}
        if kind == "extra_forbidden" and len(detail["loc"]) == 1:
            near = difflib.get_close_matches(str(detail["loc"][0]), allowed, n=1)
            kind, known = "unknown_key", {"message": "unknown key", "allowed": allowed, "near": near}
        # The message is filled already: a template of its own keeps braces in it from being taken for placeholders.
        named = PydanticCustomError(kind, "{message}", known)
        lines.append(InitErrorDetails(type=named, loc=detail["loc"], input=detail["input"]))
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)
