"""The careful way from JSON records to columns: one record at a time, with a reason for each that cannot be read.

Called by `batches.rows` for batches that `batches.native` gives up on. Numbers are kept as they are written until the
type of their column is known:

* integers → integer; beyond 64 bits decimal(38,0); beyond 38 digits text
* with fractions among them → float, as long as each is the same number as a float; else decimal, else text
* several kinds of scalars → text; lists and something else → json
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.columns import Columns, Path
from bief.batches.native import decimal_or_text
from bief.batches.parsing import faithful
from bief.batches.schema import BOOLEAN, FLOAT, INTEGER, JSON, TEXT

# As Python itself refuses to read longer ones.
_MAX_NUMBER_CHARACTERS: Final = 4300
_DECIMAL_DIGITS: Final = 38
_INT64: Final = range(-(2**63), 2**63)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Refusal:
    """Why a record cannot be read."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The columns of the records that were kept (by index), and the refusals by index of the others."""

    columns: dict[Path, Column]
    kept: list[int]
    refused: dict[int, Refusal]


def read(texts: Sequence[bytes], columns: Columns, max_record_bytes: int) -> Outcome:
    """Read each record by itself."""
    root = _Node(())
    kept: list[int] = []
    refused: dict[int, Refusal] = {}
    for index, text in enumerate(texts):
        try:
            record = _object(text, max_record_bytes)
        except _Unreadable as error:
            refused[index] = error.refusal
            continue
        _collect(record, text.removeprefix(_BOM), root, len(kept), columns)
        kept.append(index)
    nodes = _walk(root)
    columns.learn(node.path for node in nodes if node.values)
    found = {node.path: _column(node.values, len(kept), columns.declared(node.path)) for node in nodes}
    return Outcome(found, kept, refused)


class _Unreadable(Exception):
    def __init__(self, rule: str, reason: str) -> None:
        self.refusal = Refusal(rule, reason)
        super().__init__(reason)


class _Integer(str):
    """An integer as it is written."""

    __slots__ = ()


class _Fraction(str):
    """A number with a point or an exponent, as it is written."""

    __slots__ = ()


class _Raw(str):
    """A list, or whatever is declared as json: its own JSON text."""

    __slots__ = ()


@dataclass
class _Node:
    """A place in the records: the values that stand there by row, and the places below it."""

    path: Path
    values: dict[int, Any] = field(default_factory=dict)
    below: dict[str, _Node] = field(default_factory=dict)


def _object(text: bytes, max_record_bytes: int) -> dict[str, Any]:
    if len(text) > max_record_bytes:
        raise _Unreadable("too_large", f"the record has {len(text)} bytes; {max_record_bytes} are allowed")
    try:
        record = _DECODER.decode(text.removeprefix(_BOM).decode())
        if _SURROGATE.search(text):
            json.dumps(record, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise _Unreadable("invalid_json", f"byte {error.start} is not UTF-8") from None
    except UnicodeEncodeError:
        raise _Unreadable("invalid_json", "a text holds half of a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise _Unreadable("invalid_json", f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _Unreadable("invalid_json", "the record is nested too deeply") from None
    if not isinstance(record, dict):
        raise _Unreadable("not_an_object", f"the record is {_kind(record)} and not an object")
    return record


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {list: "a list", str: "a text", bool: "a truth value"}
    return kinds.get(type(value), "a number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in members if keys.count(key) > 1)
        raise _Unreadable("duplicate_key", f"the key {twice!a} stands in one object more than once")
    return members


def _integer(text: str) -> _Integer:
    if len(text) > _MAX_NUMBER_CHARACTERS:
        raise _Unreadable("invalid_json", f"a number has {len(text)} digits")
    return _Integer(text)


def _fraction(text: str) -> _Fraction:
    if len(text) > _MAX_NUMBER_CHARACTERS or not math.isfinite(float(text)):
        raise _Unreadable("invalid_json", "a number is too large or too long")
    return _Fraction(text)


def _constant(text: str) -> Any:
    raise _Unreadable("invalid_json", f"{text} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_fraction, parse_int=_integer, parse_constant=_constant
)
_RAW_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _collect(record: dict[str, Any], text: bytes, root: _Node, row: int, columns: Columns) -> None:
    """Put the values of a record to their places."""
    waiting: list[tuple[dict[str, Any], _Node, bytes]] = [(record, root, text)]
    while waiting:
        members, node, raw = waiting.pop()
        raws: dict[str, msgspec.Raw] | None = None
        for key, value in members.items():
            place = node.below.get(key)
            if place is None:
                place = node.below[key] = _Node((*node.path, key))
            if value is None:
                continue
            at = place.path
            is_object = isinstance(value, dict)
            if is_object or isinstance(value, list) or columns.declared(at) == JSON:
                raws = _RAW_MEMBERS.decode(raw) if raws is None else raws
                inner = bytes(raws[key])
                if is_object and not columns.is_whole(at):
                    waiting.append((value, place, inner))
                    continue
                value = _Raw(inner.decode())  # noqa: PLW2901 - from here on the text is the value
            place.values[row] = value


def _walk(root: _Node) -> list[_Node]:
    """All places that have, or could have, values, parents before children."""
    found: list[_Node] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.path and (node.values or not node.below):
            found.append(node)
        waiting.extend(reversed(node.below.values()))
    return found


def _column(by_row: dict[int, Any], rows: int, declared: Any) -> Column:
    values = [by_row.get(row) for row in range(rows)]
    kinds = {type(value) for value in by_row.values()}
    if not kinds:
        return _array(values, arrow.null())
    if declared == TEXT:
        return _array([_text(value) for value in values], TEXT)
    if _Raw in kinds:
        return _array([_json(value) for value in values], TEXT).cast(JSON)
    if kinds == {bool}:
        return _array(values, BOOLEAN)
    is_decimal = declared is not None and pa.types.is_decimal(declared)
    if kinds <= {_Integer, _Fraction} and not is_decimal:
        return _numbers(values, has_fractions=_Fraction in kinds)
    texts = _array([_text(value) for value in values], TEXT)
    return decimal_or_text(texts, declared) if is_decimal else texts


def _numbers(values: list[str | None], *, has_fractions: bool) -> Column:
    numbers = [value for value in values if value is not None]
    if not has_fractions:
        integers = [None if value is None else int(value) for value in values]
        if all(value is None or value in _INT64 for value in integers):
            return _array(integers, INTEGER)
    elif all(faithful(value) for value in numbers):
        return _array([None if value is None else float(value) for value in values], FLOAT)
    exact = [Decimal(value) for value in numbers]
    scale = max(0, *(-int(value.as_tuple().exponent) for value in exact))
    if max(value.adjusted() + 1 for value in exact) + scale <= _DECIMAL_DIGITS:
        decimals = [None if value is None else Decimal(value) for value in values]
        return _array(decimals, arrow.decimal128(_DECIMAL_DIGITS, scale))
    return _array([None if value is None else str(value) for value in values], TEXT)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _json(value: Any) -> str | None:
    """The JSON text of a value that shares its column with lists."""
    return json.dumps(value, ensure_ascii=False) if type(value) is str else _text(value)


def _array(values: Sequence[Any], arrow_type: Any) -> Column:
    return arrow.chunked_array([arrow.array(values, arrow_type)])
