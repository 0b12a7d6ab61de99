"""From an error to a paragraph on stderr and an exit code.

Called by `main` for whatever a command did not catch. Every text goes through the redactor and loses its control
characters, tracebacks included.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typer.exceptions import Abort, TyperException

from bief.cli.settings import Settings, lazily
from bief.errors import BiefError, ProjectError, UnknownRun
from bief.observe.printable import printable

FAILED: Final = 1
USAGE: Final = 2
PARTIAL: Final = 3
CANCELLED: Final = 130
EXIT_CODES: Final = {"success": 0, "failed": FAILED, "partial": PARTIAL, "cancelled": CANCELLED}


def report(error: Exception, settings: Settings) -> int:
    """Print the error on stderr and give the exit code."""
    if isinstance(error, Abort):
        say_error("cancelled.")
        return CANCELLED
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        hint = f" Try '{context.command_path} --help'." if context is not None else ""
        message = error.format_message().strip()
        # Not redacted: it repeats what was typed just now, and must come as quickly as --help does.
        say_error(f"{message if message.endswith(('.', '?')) else f'{message}.'}{hint}")
        return error.exit_code
    clean = _cleaner(settings)
    if isinstance(error, ProjectError):
        _project(error, clean)
        return USAGE
    if isinstance(error, BiefError):
        say_error(clean(str(error)))
        if settings.debug:
            _trace(error, clean)
        return USAGE if isinstance(error, UnknownRun) else FAILED
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        say_error(clean(f"{error.filename}: {error.strerror}."))
    else:
        what = clean(f"{type(error).__name__}: {error}".rstrip(": "))
        advice = "The traceback above shows where." if settings.debug else "Run it again with --debug for a traceback."
        if settings.debug:
            _trace(error, clean)
        say_error(f"something unexpected happened. {what}. This is a bug in Bief: please report it. {advice}")
        return FAILED
    if settings.debug:
        _trace(error, clean)
    return FAILED


def say_error(text: str) -> None:
    """One paragraph on stderr, marked as an error: red on a terminal, unless NO_COLOR is set."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    mark = "\x1b[1;31merror:\x1b[0m" if coloured else "error:"
    sys.stderr.write(f"{mark} {printable(text)}\n")


def _project(error: ProjectError, clean: Callable[[str], str]) -> None:
    lines = [clean(str(problem)) for problem in error.problems]
    if len(lines) == 1:
        say_error(lines[0])
        return
    say_error(f"{len(lines)} problems in the project:")
    for line in lines:
        sys.stderr.write(f"  {printable(line)}\n")


def _trace(error: Exception, clean: Callable[[str], str]) -> None:
    whole = clean("".join(traceback.format_exception(error)))
    sys.stderr.write("".join(f"{printable(line)}\n" for line in whole.splitlines()))


def _cleaner(settings: Settings) -> Callable[[str], str]:
    """The project's redactor, and before it what the environment and `.env` give away: the error may be older."""
    learn = lazily("bief.config.variables:redactor_of")
    before = learn(settings.folder or Path(), os.environ)
    known = settings.clean

    def clean(text: str) -> str:
        return str(before.clean(known(text) if known else text))

    return clean
