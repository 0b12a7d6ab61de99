"""From what pydantic found to sentences with file and line.

Called by `loading` for the project file and by `assemble` for the options of each connector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bief.config.document import Document, Keys, shown
from bief.errors import Problem

_KINDS: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dataclass_type": "a mapping (key: value)",
    "date_type": "a date, such as 2024-02-29",
    "date_parsing": "a date, such as 2024-02-29",
    "date_from_datetime_parsing": "a date, such as 2024-02-29",
    "datetime_type": "a time, such as 2024-02-29T12:00:00Z",
    "datetime_parsing": "a time, such as 2024-02-29T12:00:00Z",
    "datetime_from_date_parsing": "a time, such as 2024-02-29T12:00:00Z",
    "timezone_aware": "a time with its time zone, such as 2024-02-29T12:00:00Z",
    "time_delta_type": "a duration, such as 10m",
    "time_delta_parsing": "a duration, such as 10m",
    "url_type": "a URL",
    "url_parsing": "a URL, such as https://example.com/api",
    "path_type": "a path",
    "none_required": "left out",
}
_LIMITS: Final = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
}
_FILLED: Final = _LIMITS | {
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "does not look as it should (pattern {pattern})",
    "finite_number": "must be a finite number",
}
_LENGTHS: Final = {
    "too_short": ("must have at least {min_length} {field}", "entry", "entries"),
    "too_long": ("must have at most {max_length} {field}", "entry", "entries"),
    "string_too_short": ("must have at least {min_length} {field}", "character", "characters"),
    "string_too_long": ("must have at most {max_length} {field}", "character", "characters"),
}
# Values are shown only for these: everywhere else the sentence is clear without, and the value may be a secret.
_VALUE_SHOWN: Final = (
    frozenset(_LIMITS) | (frozenset(_KINDS) - {"string_type"}) | {"literal_error", "enum", "name", "allowance"}
)
_UNKNOWN: Final = frozenset({"unknown_key", "extra_forbidden"})
_TAGS: Final = frozenset({"union_tag_invalid", "union_tag_not_found"})


def problems_of(error: ValidationError, document: Document, prefix: Keys = ()) -> list[Problem]:
    """Every problem of a model that was validated with the value of `document` at `prefix`, in the file's order.

    What is said of values that could not be had (`document.unresolved`) is left out: it is reported already.
    """
    found = [(_place(document.data, (*prefix, *detail["loc"])), detail) for detail in error.errors(include_url=False)]
    known = [(keys, detail) for keys, detail in found if keys not in document.unresolved or detail["type"] in _UNKNOWN]
    problems = [_problem(document, keys, details) for keys, details in _by_place(known)]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def _place(data: Any, loc: Sequence[str | int]) -> Keys:
    """Where the error is in the file: pydantic's path without the names of the branches of a union."""
    keys: list[str | int] = []
    for number, part in enumerate(loc):
        listed = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if listed or (isinstance(data, dict) and part in data):
            data = data[part]
            keys.append(part)
        elif isinstance(data, dict) and number == len(loc) - 1 and part != "[key]":
            keys.append(part)
    return tuple(keys)


def _by_place(found: list[tuple[Keys, ErrorDetails]]) -> list[tuple[Keys, list[ErrorDetails]]]:
    """One entry for each place. Of a union only the branch that got furthest speaks: if something is wrong inside a
    mapping, nobody wants to hear that it is not a text either."""
    grouped: dict[Keys, list[ErrorDetails]] = {}
    for keys, detail in found:
        grouped.setdefault(keys, []).append(detail)
    kept: list[tuple[Keys, list[ErrorDetails]]] = []
    for keys, details in grouped.items():
        deeper = any(len(other) > len(keys) and other[: len(keys)] == keys for other in grouped)
        wrong_kind = [detail for detail in details if detail["type"] in _KINDS]
        others = [detail for detail in details if detail["type"] not in _KINDS]
        if wrong_kind and not others and not deeper:
            kept.append((keys, wrong_kind))
        kept.extend((keys, [detail]) for detail in others)
    return kept


def _problem(document: Document, keys: Keys, details: list[ErrorDetails]) -> Problem:
    detail = details[0]
    kind, known = detail["type"], detail.get("ctx", {})
    do = ""
    if kind == "missing":
        what = f"{_named(keys[:-1])}the key '{shown(str(keys[-1]))}' is missing."
        keys = keys[:-1]
    elif kind in _UNKNOWN:
        near = known.get("near") or []
        meant = f"; did you mean '{near[0]}'?" if near else "."
        what = f"{_named(keys[:-1])}unknown key '{shown(str(keys[-1]))}'{meant}"
        do = f"Allowed keys: {', '.join(known['allowed'])}." if known.get("allowed") else ""
    else:
        what = f"{_named(keys)}{_sentence(details)}{_value(document, keys, detail)}."
        do = 'Put quotes around it: "…".' if kind == "string_type" and _is_scalar(detail["input"]) else ""
    return Problem(document.file, document.line_of(keys), document.redactor.clean(what), do)


def _sentence(details: list[ErrorDetails]) -> str:
    kind, known = details[0]["type"], details[0].get("ctx", {})
    if kind in _KINDS:
        return "must be " + " or ".join(dict.fromkeys(_KINDS[detail["type"]] for detail in details))
    if kind in _LENGTHS:
        return _length(kind, known)
    if kind in _FILLED:
        return _FILLED[kind].format(**{key: _number(value) for key, value in known.items()})
    if kind in _TAGS:
        key = str(known.get("discriminator", "type")).strip("'")
        return f"needs the key '{key}'" + (f", one of: {known['expected_tags']}" if "expected_tags" in known else "")
    return _reworded(str(known.get("message", details[0]["msg"])))


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _reworded(message: str) -> str:
    """A message of pydantic, or of a validator, as the end of a sentence that begins with the key."""
    for start in ("Value error, ", "Assertion failed, ", "Input should be ", "Input should ", "Input "):
        if message.startswith(start):
            message = ("must be " if start == "Input should be " else "") + message.removeprefix(start)
            break
    return message.rstrip(".")


def _length(kind: str, known: Mapping[str, Any]) -> str:
    template, one, many = _LENGTHS[kind]
    number = known.get("min_length", known.get("max_length"))
    if number == 1 and kind in {"too_short", "string_too_short"}:
        return "must not be empty"
    return template.format(**{**known, "field": one if number == 1 else many})


def _value(document: Document, keys: Keys, detail: ErrorDetails) -> str:
    """', not …' where the value helps and cannot be a secret."""
    value = getattr(detail["input"], "value", detail["input"])
    if detail["type"] not in _VALUE_SHOWN or keys in document.hidden:
        return ""
    if value is None:
        return ", not nothing"
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, int | float):
        return f", not {value}"
    if isinstance(value, str):
        return f", not the text '{shown(value)}'"
    return ", not a list" if isinstance(value, list) else ", not a mapping" if isinstance(value, dict) else ""


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _named(keys: Keys) -> str:
    """'pipelines.shop.streams[2]: ', or nothing for the file itself."""
    text = ""
    for key in keys:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{shown(key)}" if text else shown(key)
    return f"{text}: " if text else ""
