"""From the body of a page to its records, which stay raw bytes, and the few fields beside them that paging needs.

Called by `pages`. The body is decoded once, natively, by a type built for exactly the declared paths. Only a body
that does not fit is looked at closer: is it an error in disguise, or a shape nobody declared, or is it broken JSON in
which the good records can be saved (`salvage`)?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bief.batches.salvage import BadRecord, NotSalvageable, salvaged
from bief.http.page_facts import ABSENT
from bief.http.places import Place

Record = bytes | msgspec.Raw
_SHOWN_KEYS: Final = 20
_ERRORS: Final = "errors"
_ERROR: Final = "error"
_LEAF: Final = ()
_CHECK_RECORDS: Final = "Check `records` of the stream and of the source."


@dataclass(frozen=True)
class Opened:
    """The records of a page, each on one line, those that are not JSON, and the fields asked for."""

    records: Sequence[Record]
    bad: tuple[BadRecord, ...]
    fields: Mapping[str, Any]


class Envelope:
    """The declared shape of the bodies of one list. Safe to share by threads."""

    def __init__(self, records: str, fields: Sequence[str], error_when: str | None) -> None:
        self._path = tuple(records.split(".")) if records else ()
        self._fields = {path: tuple(path.split(".")) for path in fields}
        self._error_when = tuple(error_when.split(".")) if error_when else None
        declared = [*self._fields.values(), *([self._path] if self._path else [])]
        # Where nothing is declared about errors, these keys mean one, unless they mean something declared.
        taken = {path[0] for path in declared}
        self._implicit = tuple((name,) for name in (_ERRORS, _ERROR) if name not in taken and not self._error_when)
        self._paths = [*declared, *([self._error_when] if self._error_when else []), *self._implicit]
        self._decoder = msgspec.json.Decoder(self._type())

    def opened(self, body: bytes, place: Place) -> Opened:
        """What the page holds. Raises SourceMisread, or SourceRefused for an error that came with status 200."""
        # Raw text is handed on unseen: only here can bytes that are no UTF-8 still be put down to one record.
        if not body.isascii():
            try:
                body.decode()
            except UnicodeDecodeError:
                return self._opened_closer(body, place)
        try:
            decoded = self._decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError):
            return self._opened_closer(body, place)
        if not self._path:
            return Opened(_one_line_each(decoded, body), (), dict.fromkeys(self._fields, ABSENT))
        found = self._looked_up(decoded)
        self._refuse_error(found, place)
        records = found[self._path]
        if records is ABSENT:
            raise self._shape_problem(msgspec.json.decode(body), place)
        return Opened(_one_line_each(records, body), (), {name: found[path] for name, path in self._fields.items()})

    def _opened_closer(self, body: bytes, place: Place) -> Opened:
        """The slow way, for a body that is not as declared."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return self._saved(body, place)
        found = {path: _value_at(document, path) for path in self._paths}
        self._refuse_error(found, place)
        if self._path or not isinstance(document, dict):
            raise self._shape_problem(document, place)
        # No path is declared and the body is no list: it is one record.
        return Opened(_one_line_each([body], body), (), {name: found[path] for name, path in self._fields.items()})

    def _saved(self, body: bytes, place: Place) -> Opened:
        try:
            rest, records, bad = salvaged(body, self._path)
            document = msgspec.json.decode(rest)
        except (NotSalvageable, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            problem = place.misread(f"The answer is not JSON: {place.quote(body)}.", "Check `base_url` and `path`.")
        else:
            found = {path: _value_at(document, path) for path in self._paths}
            self._refuse_error(found, place)
            return Opened(records, bad, {name: found[path] for name, path in self._fields.items()})
        raise problem

    def _refuse_error(self, found: Mapping[tuple[str, ...], Any], place: Place) -> None:
        """Raise SourceRefused if the body says that something went wrong."""
        if self._error_when is not None:
            error = found[self._error_when]
        else:
            has_records = bool(self._path) and found[self._path] not in (ABSENT, None)
            error = found[(_ERRORS,)] if (_ERRORS,) in self._implicit else ABSENT
            if (error is ABSENT or not error) and not has_records and (_ERROR,) in self._implicit:
                error = found[(_ERROR,)]
        if error is not ABSENT and error:
            said = place.quote(msgspec.json.encode(error))
            raise place.refused(f"The server answered with an error: {said}.", "Read what it says about the request.")

    def _shape_problem(self, document: Any, place: Place) -> Exception:
        shown = ".".join(self._path)
        value = document
        for depth, key in enumerate(self._path):
            if not isinstance(value, dict):
                break
            if key not in value:
                keys = ", ".join(f"`{each}`" for each in list(value)[:_SHOWN_KEYS]) or "no keys"
                where = f"`{'.'.join(self._path[:depth])}` has" if depth else "the answer has"
                return place.misread(f"There is no `{shown}` in the answer: {where} {keys}.", _CHECK_RECORDS)
            value = value[key]
        what = f"`{shown}` is" if shown else "The answer is"
        return place.misread(f"{what} {_kind(value)} where a list of records is declared.", _CHECK_RECORDS)

    def _type(self) -> Any:
        if not self._path:
            return list[msgspec.Raw]
        tree: dict[str, Any] = {}
        for path in self._paths:
            node = tree
            for key in path[:-1]:
                node = node.setdefault(key, {})
                if node is _LEAF:
                    break
            else:
                node.setdefault(path[-1], _LEAF)
        return _struct(tree, self._path)

    def _looked_up(self, decoded: Any) -> dict[tuple[str, ...], Any]:
        return {path: _attribute_at(decoded, path) for path in self._paths}


def _struct(tree: Mapping[str, Any], records: tuple[str, ...] | None) -> Any:
    """A type with exactly the keys of the tree; `records` is the path of the list below it."""
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for number, (key, below) in enumerate(tree.items()):
        name = f"key_{number}"
        names[name] = key
        here = records[1:] if records and records[0] == key else None
        if here == ():
            fields.append((name, list[msgspec.Raw] | msgspec.UnsetType, msgspec.UNSET))
        elif below is _LEAF:
            fields.append((name, Any, msgspec.UNSET))
        else:
            fields.append((name, _struct(below, here) | None, None))
    return msgspec.defstruct("Node", fields, rename=names, namespace={"_keys": {key: n for n, key in names.items()}})


def _attribute_at(decoded: Any, path: tuple[str, ...]) -> Any:
    value = decoded
    for depth, key in enumerate(path):
        names = getattr(type(value), "_keys", None)
        if names is None:
            # A path through a field that another path takes as a whole.
            return _value_at(value, path[depth:])
        value = getattr(value, names[key])
        if value is msgspec.UNSET or (value is None and depth < len(path) - 1):
            return ABSENT
    return value


def _value_at(document: Any, path: tuple[str, ...]) -> Any:
    value = document
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def _one_line_each(records: Sequence[Record], body: bytes) -> Sequence[Record]:
    """The records without line breaks: in JSON that was read without error they can only be white space."""
    if b"\n" not in body and b"\r" not in body:
        return records
    return [bytes(record).replace(b"\n", b" ").replace(b"\r", b" ").strip() for record in records]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")
