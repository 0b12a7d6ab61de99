"""What `@bief.source(...)` says in a Python file, read from its text: the file is not run.

Called by `source` when the project is loaded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bief.errors import Problem, ProjectError

_ARGUMENTS: Final = ("primary_key", "cursor", "columns")


@dataclass(frozen=True)
class Decoration:
    """A function with the decorator: its line, and the decorator's arguments."""

    line: int
    arguments: dict[str, Any]


def decorations(path: Path, file: str) -> dict[str, Decoration]:
    """The decorated functions of a Python file by name, in their order. Raises ProjectError, naming it `file`."""
    try:
        tree = ast.parse(path.read_bytes(), filename=file)
    except SyntaxError as error:
        raise _wrong(file, error.lineno, f"{error.msg}.", "Correct the file.") from None
    except OSError as error:
        raise _wrong(file, None, f"the file cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise _wrong(file, None, "the file is not Python.") from None
    names = set(_names_of_the_decorator(tree))
    found: dict[str, Decoration] = {}
    for function in tree.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in function.decorator_list:
                call = decorator.func if isinstance(decorator, ast.Call) else decorator
                if ast.unparse(call) in names:
                    found[function.name] = Decoration(function.lineno, _arguments(decorator, file))
    return found


def _names_of_the_decorator(tree: ast.Module) -> Iterator[str]:
    """What `bief.source` is called in a file: `bief.source`, `source`, or whatever it imports it as."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{name.asname or name.name}.source" for name in node.names if name.name == "bief")
        elif isinstance(node, ast.ImportFrom) and node.module == "bief" and not node.level:
            yield from (name.asname or name.name for name in node.names if name.name == "source")


def _arguments(decorator: ast.expr, file: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg not in _ARGUMENTS:
            what = f"@bief.source has no argument '{keyword.arg or '**'}'."
            raise _wrong(file, keyword.value.lineno, what, f"Its arguments are {', '.join(_ARGUMENTS)}.")
        try:
            value = ast.literal_eval(keyword.value)
        except ValueError:
            what = f"the argument '{keyword.arg}' of @bief.source is not a literal."
            do = "Write its value there: Bief reads it without running the file."
            raise _wrong(file, keyword.value.lineno, what, do) from None
        given[keyword.arg] = list(value) if isinstance(value, tuple) else value
    return given


def _wrong(file: str, line: int | None, what: str, do: str = "") -> ProjectError:
    return ProjectError([Problem(file, line, what, do)])
