"""Single fields of raw records, with their exact text: cursors, ids, times. The rest is skipped natively."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bief.sources.rest.envelopes import Record

# A record that has no such field.
NOTHING: Final = msgspec.Raw(b"")


class FieldReader:
    """Reads the same few fields of many records. `paths` are dotted."""

    def __init__(self, *paths: str) -> None:
        self._paths = [tuple(path.split(".")) for path in paths]
        tree: dict[str, Any] = {}
        for path in self._paths:
            node = tree
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = None
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        kind: Any = self._struct(tree, (), ())
        self._one = msgspec.json.Decoder(kind)
        self._many = msgspec.json.Decoder(list.__class_getitem__(kind))

    def read(self, records: Sequence[Record]) -> list[tuple[msgspec.Raw, ...]]:
        """For each record its fields in the order of the paths; `NOTHING` for a field that is not there."""
        try:
            found = self._many.decode(b"[" + b",".join(records) + b"]")
        except (msgspec.MsgspecError, RecursionError):
            found = [self._fields(record) for record in records]
        return [tuple(self._value(each, path) for path in self._paths) for each in found]

    def _fields(self, record: Record) -> Any:
        try:
            return self._one.decode(record)
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _value(self, decoded: Any, path: tuple[str, ...]) -> msgspec.Raw:
        for name in self._names[path]:
            if decoded is None:
                return NOTHING
            decoded = getattr(decoded, name)
        return NOTHING if decoded is None else decoded

    def _struct(self, tree: dict[str, Any], path: tuple[str, ...], names: tuple[str, ...]) -> Any:
        fields: list[tuple[str, Any, Any]] = []
        renamed: dict[str, str] = {}
        for number, (key, below) in enumerate(tree.items()):
            name = f"field_{number}"
            renamed[name] = key
            here, here_names = (*path, key), (*names, name)
            if below is None:
                self._names[here] = here_names
                fields.append((name, msgspec.Raw, NOTHING))
            else:
                fields.append((name, self._struct(below, here, here_names) | None, None))
        return msgspec.defstruct("Fields", fields, rename=renamed)


def exact_text(raw: msgspec.Raw) -> str | None:
    """The text of a JSON text, or the digits of a number as they are written; None for anything else."""
    value = bytes(raw)
    if value.startswith(b'"'):
        return str(msgspec.json.decode(value))
    return value.decode() if value[:1].isdigit() or value[:1] == b"-" else None


def whole_or_text(raw: msgspec.Raw) -> int | str | None:
    """A whole number or a text: what a key can be; None for anything else."""
    if not bytes(raw):
        return None
    value = msgspec.json.decode(raw)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None
