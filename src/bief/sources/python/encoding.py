"""From a dict to its JSON text, exactly: a value that JSON cannot hold is a reason to reject, never a guess.

Called by `items`. Decimals, moments and bytes become texts here; `kinds` remembers what they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import pyarrow as pa

from bief.batches.schema import JSON

_NUMPY_KINDS: Final = "biufUS"
# Most values are of these types, and a look at the type is all the time that there is for each of them.
_NEVER_NAN: Final = frozenset({str, int, bool, type(None), bytes, Decimal, datetime, date, UUID})


class Unfit(Exception):
    """A value cannot be a row. `column` is empty where the whole item is at fault."""

    def __init__(self, rule: str, reason: str, column: str = "") -> None:
        self.rule = rule
        self.reason = reason
        self.column = column
        super().__init__(reason)


def encoded(item: Any) -> bytes:
    """The JSON text of a dict. Raises Unfit."""
    if type(item) is not dict and not isinstance(item, Mapping):
        raise Unfit("not_an_object", f"the item is {_kind(item)} and not a dict")
    try:
        text = _ENCODER.encode(item)
    except RecursionError:
        raise Unfit("unserializable", "the item holds itself, or is nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise _blamed(item, error) from None
    # The encoder writes NaN and infinities as null, which they are not.
    if b"null" in text:
        for name, value in item.items():
            if type(value) not in _NEVER_NAN and _holds_nan(value):
                raise no_number(str(name))
    return text


def no_number(column: str) -> Unfit:
    """The refusal of NaN and of infinities."""
    return Unfit("not_a_number", "a number is NaN or infinite; None stands for a missing value", column)


def shown(item: Any) -> str:
    """As much of an item as can be written: for the quarantine, where it must be read and may be repaired."""
    if not isinstance(item, Mapping):
        return _text(item) or ""
    members = ((_text(name), _text(value)) for name, value in item.items() if isinstance(name, str))
    return f"{{{', '.join(f'{name}: {value}' for name, value in members if name and value)}}}"


def row_text(table: pa.Table, place: int) -> str:
    """The JSON text of a row of a table; a float that is no number as a text."""
    return _text({name: _read_back(table.column(name)[place]) for name in table.column_names}) or ""


def _read_back(value: pa.Scalar[Any]) -> Any:
    found = value.as_py()
    if isinstance(found, float) and not math.isfinite(found):
        return str(found)
    return msgspec.Raw(found.encode()) if value.type == JSON and found is not None else found


def _text(value: Any) -> str | None:
    try:
        return _ENCODER.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _blamed(item: Mapping[Any, Any], error: Exception) -> Unfit:
    for name, value in item.items():
        if not isinstance(name, str | int | float):
            return Unfit("unserializable", f"a key is {_kind(name)} and not a text")
        for part in (name, value):
            if _text(part) is None:
                return Unfit("unserializable", _reason(error), str(name) if _text(str(name)) else "")
    return Unfit("unserializable", _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "a text holds half of a surrogate pair"
    return f"a value cannot be written as JSON: {error}"


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _holds_nan(value: Any) -> bool:
    if type(value) is float:
        return not math.isfinite(value)
    return any(isinstance(each, float) and not math.isfinite(each) for each in _leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            waiting.extend(each.values())
        elif isinstance(each, list | tuple | set | frozenset):
            waiting.extend(each)
        elif getattr(getattr(each, "dtype", None), "kind", "") == "f":
            waiting.extend(_listed(each.tolist()))
        else:
            yield each


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    """The value of a type that the encoder does not know, as one that it knows. Raises TypeError."""
    if value != value:  # noqa: PLR0124 - pandas.NaT, which is a datetime
        return math.nan if isinstance(value, float) else None
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, datetime):
        return datetime.fromisoformat(value.isoformat())
    if isinstance(value, date):
        return date.fromisoformat(value.isoformat())
    if isinstance(value, Mapping):
        return dict(value)
    if getattr(getattr(value, "dtype", None), "kind", "") in tuple(_NUMPY_KINDS):
        return value.tolist()
    raise TypeError(f"it is of type {type(value).__name__}")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
