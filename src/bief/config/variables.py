"""`${NAME}` in the project file: where values come from, and putting them in.

Called by `loading`. The real environment wins over `.env`; neither is changed. Text that was put in is never looked
at again, so a value may hold `${…}` itself. All problems are collected; no message ever shows a value.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dotenv.parser import parse_stream

from bief.base.secrets import Redactor
from bief.config.document import Document, Keys
from bief.errors import Problem

ENV_FILE: Final = ".env"
_MAX_ENV_BYTES: Final = 1024 * 1024
_MAX_SECRET_BYTES: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}\r\n]*)\}|(?P<broken>\$\{)")
_NAMED: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?")
_SECRET_NAME: Final = re.compile(
    r"(?!(?:OLD)?PWD$|SSH_AUTH_SOCK$).*(KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|DSN|AUTH|DATABASE_URL)", re.IGNORECASE
)


@dataclass
class Variables:
    """The variables of a project. `redactor` learns each value that is surely or probably a secret."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    redactor: Redactor = field(default_factory=Redactor)
    problems: list[Problem] = field(default_factory=list)
    from_file: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def read_env_file(self) -> None:
        """Read `.env` of the project folder, if there is one."""
        path = self.folder / ENV_FILE
        if not path.is_file():
            return
        try:
            text = _limited(path, _MAX_ENV_BYTES)
        except (OSError, ValueError) as error:
            self.problems.append(Problem(ENV_FILE, None, f"the file cannot be read: {_reason(error)}."))
            return
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                self.problems.append(
                    Problem(
                        ENV_FILE, binding.original.line, "this line is not NAME=value.", "Quote values with spaces."
                    )
                )
            elif binding.key is not None and binding.value is not None:
                self.from_file[binding.key] = binding.value

    def put_into(self, document: Document) -> Document:
        """The document with every reference replaced in every text value (keys are left as they are)."""
        hidden: set[Keys] = set()
        unresolved: set[Keys] = set()

        def filled(value: Any, keys: Keys) -> Any:
            if isinstance(value, dict):
                return {key: filled(inner, (*keys, key)) for key, inner in value.items()}
            if isinstance(value, list):
                return [filled(inner, (*keys, index)) for index, inner in enumerate(value)]
            if not isinstance(value, str) or "${" not in value:
                return value
            hidden.add(keys)
            before, place = len(self.problems), (document.file, document.line_of(keys))
            result = _REFERENCE.sub(lambda match: self._value(match, place), value)
            if len(self.problems) > before:
                unresolved.add(keys)
            return result

        data = filled(document.data, ())
        return replace(
            document, data=data, hidden=frozenset(hidden), unresolved=frozenset(unresolved), redactor=self.redactor
        )

    def _value(self, match: re.Match[str], place: tuple[str, int | None]) -> str:
        if match["broken"]:
            self._problem(place, "'${' is not closed by '}' on the same line.", "Write $${ for the two characters.")
            return ""
        inside = match["inside"]
        if inside is None:
            return "${"
        if inside.startswith("file:"):
            return self._mounted(inside.removeprefix("file:"), place)
        named = _NAMED.fullmatch(inside)
        if named is None:
            self._problem(
                place,
                "'${…}' does not hold the name of a variable.",
                "Write ${NAME}, ${NAME:-default} or ${file:/path}; write $${ for a plain '${'.",
            )
            return ""
        return self._looked_up(named["name"], named["default"], place)

    def _looked_up(self, name: str, default: str | None, place: tuple[str, int | None]) -> str:
        value = self.environment.get(name, self.from_file.get(name))
        if value or (value is not None and default is None):
            if _SECRET_NAME.match(name):
                self.redactor.learn(value)
            return value
        if default is not None:
            return default.removeprefix(":-")
        near = difflib.get_close_matches(name, self.from_file, n=1, cutoff=0.75)
        meant = f" Did you mean '{near[0]}', which .env has?" if near else ""
        self._problem(place, f"the variable {name} is not set.", f"Set it in the environment or in .env.{meant}")
        return ""

    def _mounted(self, written: str, place: tuple[str, int | None]) -> str:
        path = self.folder / written
        try:
            text = _limited(path, _MAX_SECRET_BYTES)
        except (OSError, ValueError) as error:
            self._problem(place, f"the file of ${{file:{written}}} cannot be read: {_reason(error)}.")
            return ""
        value = text.removesuffix("\n").removesuffix("\r")
        self.redactor.learn(value)
        return value

    def _problem(self, place: tuple[str, int | None], what: str, do: str = "") -> None:
        self.problems.append(Problem(*place, what, do))


def _limited(path: Path, max_bytes: int) -> str:
    if path.exists() and not path.is_file():
        # A device or a pipe would give bytes for ever, or never.
        raise ValueError("it is not a regular file")
    with path.open("rb") as stream:
        raw = stream.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes // 1024} KiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The original error would carry the bytes of a secret.
        raise ValueError("it is not UTF-8 text") from None


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "input/output error").lower() if isinstance(error, OSError) else str(error)


def redactor_of(folder: Path, environment: Mapping[str, str]) -> Redactor:
    """A redactor for errors that come before, or instead of, a valid project: knows every value that its name gives
    away as a secret, in the environment and in `.env`."""
    variables = Variables(folder, environment)
    variables.read_env_file()
    for name, value in {**variables.from_file, **environment}.items():
        if _SECRET_NAME.match(name):
            variables.redactor.learn(value)
    return variables.redactor
