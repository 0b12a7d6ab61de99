"""From the bytes of a YAML file to plain data in the sense of JSON, and the line of every value.

Called by `loading`. Only `true`, `false`, `null` and JSON numbers are not text: `no`, `on`, `12:30`, `010` and
`1_000` stay the text that was typed. What YAML allows and a project file never needs is refused: duplicate keys,
tags, merge keys, a second document, aliases that multiply.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from bief.base.secrets import Redactor
from bief.errors import Problem, ProjectError

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
# Bounds time and memory: a file of 1 MiB could hold half a million values, and nobody writes so many by hand.
MAX_VALUES: Final = 100_000
MAX_ALIASED_VALUES: Final = 10_000
_MAX_PROBLEMS: Final = 50
_MAX_SHOWN: Final = 60

Keys = tuple[str | int, ...]
"""Where a value stands: the keys and list indexes that lead to it."""

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,99})(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
# `{token: ${TOKEN}}` is not YAML, because braces end a text there. Each variable is therefore swapped for its number
# between two private characters while the parser works; it stays on its line, so line numbers stay true.
_VARIABLE: Final = re.compile(r"\$\{[^{}\r\n]*\}")
_OPEN, _CLOSE = "\ue000", "\ue001"
_SWAPPED: Final = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True)
class Document:
    """What a file says. `lines` has the line of every key and list item; `hidden` are places whose value came, in
    whole or in part, from outside the file, so that no message may show it; at `unresolved` places it could not be
    had. `redactor` cleans messages."""

    file: str
    data: Any = field(repr=False)
    lines: Mapping[Keys, int] = field(repr=False)
    hidden: frozenset[Keys] = frozenset()
    unresolved: frozenset[Keys] = frozenset()
    redactor: Redactor = field(default_factory=Redactor, repr=False)

    def line_of(self, keys: Keys) -> int | None:
        """The line of a value, or of the nearest value around it."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys)


@dataclass(frozen=True)
class _Value:
    """A parsed value. `size` and `height` count what is inside, so that an alias can be weighed before it is used."""

    line: int
    content: Any
    size: int
    height: int


class _Refused(Exception):
    def __init__(self, line: int | None, what: str, do: str = "") -> None:
        super().__init__(what)
        self.line, self.what, self.do = line, what, do


def read_document(path: Path, file: str) -> Document:
    """Read a YAML file; `file` is its name in messages. Raises ProjectError."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProjectError([Problem(file, None, f"the file cannot be read: {error.strerror}.")]) from None
    if len(raw) > MAX_BYTES:
        raise ProjectError(
            [Problem(file, None, "the file is larger than 1 MiB.", "A project file is written by hand.")]
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ProjectError(
            [Problem(file, line, "the file is not UTF-8 text.", "Save it with that encoding.")]
        ) from None
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text. Raises ProjectError with all problems that can be told apart."""
    if _OPEN in text or _CLOSE in text:
        line = text.count("\n", 0, min(i for i in (text.find(_OPEN), text.find(_CLOSE)) if i >= 0)) + 1
        raise ProjectError([Problem(file, line, "the private characters U+E000 and U+E001 are not allowed.")])
    variables = _VARIABLE.findall(text)
    numbers = itertools.count()
    parser = _Parser(file, variables)
    try:
        root = parser.parse(_VARIABLE.sub(lambda _: f"{_OPEN}{next(numbers)}{_CLOSE}", text))
    except _Refused as refusal:
        parser.problems.append(Problem(file, refusal.line, refusal.what, refusal.do))
    except yaml.MarkedYAMLError as error:
        parser.problems.append(_syntax(file, text, error))
    except yaml.YAMLError as error:
        parser.problems.append(Problem(file, None, f"this is not YAML: {' '.join(str(error).split())}."))
    if parser.problems:
        raise ProjectError(parser.problems)
    lines: dict[Keys, int] = {}
    return Document(file, _plain(root, (), lines), lines)


class _Parser:
    """Walks the events of one document. Depth and aliases are checked on the way, before anything can grow."""

    def __init__(self, file: str, variables: list[str]) -> None:
        self.file = file
        self._variables = variables
        self.problems: list[Problem] = []
        self._anchors: dict[str, _Value] = {}
        self._values = 0
        self._aliased = 0
        self._next: Callable[[], Event]

    def parse(self, text: str) -> _Value:
        events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self._next = lambda: next(events)
        event = self._next()
        while isinstance(event, StreamStartEvent | DocumentStartEvent):
            event = self._next()
        if isinstance(event, StreamEndEvent):
            return _Value(1, None, 1, 0)
        root = self._value(event, 1)
        self._next()
        following = self._next()
        if isinstance(following, DocumentStartEvent):
            raise _Refused(_line(following), "a second document starts here.", "Remove the line '---'.")
        return root

    def _value(self, event: Event, depth: int) -> _Value:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise _Refused(line, f"values are nested more than {MAX_DEPTH} levels deep.")
        self._values += 1
        if self._values > MAX_VALUES:
            raise _Refused(line, f"the file holds more than {MAX_VALUES} values.")
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        if (tag := getattr(event, "tag", None)) is not None:
            self._problem(line, f"the YAML tag '{shown(tag)}' is not allowed.", "Write the plain value.")
        if isinstance(event, MappingStartEvent):
            value = self._mapping(line, depth)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(line, depth)
        else:
            assert isinstance(event, ScalarEvent)  # noqa: S101 - the closed list of events; tells the type checker
            value = _Value(line, _scalar(self._restored(event.value), plain=not event.style), 1, 0)
        if event.anchor:
            # Only now: inside itself an anchor is unknown, so a value can never contain itself.
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, line: int, depth: int) -> _Value:
        content: dict[str, tuple[int, _Value]] = {}
        size, height = 1, 0
        while not isinstance(event := self._next(), MappingEndEvent):
            key, key_line = self._key(event), _line(event)
            value = self._value(self._next(), depth + 1)
            size, height = size + value.size, max(height, value.height + 1)
            if key == "<<":
                self._problem(key_line, "merge keys ('<<') are not supported.", "Write the keys out.")
            elif key in content:
                first = content[key][0]
                self._problem(key_line, f"the key '{shown(key)}' is given twice; it stands on line {first} already.")
            else:
                content[key] = (key_line, value)
        return _Value(line, content, size, height)

    def _key(self, event: Event) -> str:
        if not isinstance(event, ScalarEvent):
            raise _Refused(
                _line(event), "a key must be a text.", "Put quotes around it if it holds brackets or braces."
            )
        key = self._restored(event.value)
        if event.tag is not None or event.anchor is not None:
            self._problem(_line(event), f"the key '{shown(key)}' has a YAML tag or anchor.", "Remove it.")
        if not key:
            self._problem(_line(event), "there is a ':' without a key before it.")
        return key

    def _sequence(self, line: int, depth: int) -> _Value:
        content = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            content.append(self._value(event, depth + 1))
        height = max((value.height + 1 for value in content), default=0)
        return _Value(line, content, 1 + sum(value.size for value in content), height)

    def _alias(self, event: AliasEvent, depth: int) -> _Value:
        line, name = _line(event), str(event.anchor)
        if name not in self._anchors:
            raise _Refused(line, f"the alias '*{shown(name)}' has no complete anchor '&{shown(name)}' before it.")
        value = self._anchors[name]
        self._aliased += value.size
        if self._aliased > MAX_ALIASED_VALUES:
            raise _Refused(line, f"aliases repeat more than {MAX_ALIASED_VALUES} values.", "Use fewer aliases.")
        if depth + value.height > MAX_DEPTH:
            raise _Refused(line, f"values are nested more than {MAX_DEPTH} levels deep.")
        return value

    def _restored(self, text: str) -> str:
        return _SWAPPED.sub(lambda match: self._variables[int(match[1])], text)

    def _problem(self, line: int, what: str, do: str = "") -> None:
        self.problems.append(Problem(self.file, line, what, do))
        if len(self.problems) >= _MAX_PROBLEMS:
            raise _Refused(line, f"there are more than {_MAX_PROBLEMS} problems; the rest is not shown.")


def _line(event: Event) -> int:
    assert event.start_mark is not None  # noqa: S101 - only hand-made events have none
    return int(event.start_mark.line) + 1


def shown(text: str) -> str:
    """A text of the file as it may stand in a message: short, on one line, without control characters."""
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return clean if len(clean) <= _MAX_SHOWN else clean[: _MAX_SHOWN - 1] + "…"


def _scalar(text: str, *, plain: bool) -> Any:
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match["fraction"] is None and match["exponent"] is None:
        return int(text)
    return float(text) if math.isfinite(float(text)) else text


def _plain(value: _Value, keys: Keys, lines: dict[Keys, int]) -> Any:
    lines.setdefault(keys, value.line)
    if isinstance(value.content, dict):
        for key, (line, _) in value.content.items():
            lines[*keys, key] = line
        return {key: _plain(inner, (*keys, key), lines) for key, (_, inner) in value.content.items()}
    if isinstance(value.content, list):
        return [_plain(inner, (*keys, index), lines) for index, inner in enumerate(value.content)]
    return value.content


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = int(mark.line) + 1 if mark else None
    written = text.splitlines()
    around = written[line - 1] if line is not None and line <= len(written) else ""
    if "\t" in around[: len(around) - len(around.lstrip())] or (mark and around[mark.column : mark.column + 1] == "\t"):
        return Problem(file, line, "a tab is used where YAML wants spaces.", "Indent with spaces.")
    reason = " ".join(f"{error.context or ''} {error.problem or ''}".split())
    return Problem(file, line, f"this is not YAML: {reason}.", "Check indentation, quotes and brackets.")
