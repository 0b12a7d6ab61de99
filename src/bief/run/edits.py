"""The file of corrected records: one JSON object to a line, as `bief quarantine list --json` prints them.

Read by `bief.assemble` for `bief quarantine replay --edits`. Only `id` and `raw` count; what else stands in a line was
printed for people.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bief.errors import Problem, ProjectError


class _Line(msgspec.Struct):
    id: str
    raw: msgspec.Raw


_LINES: Final = msgspec.json.Decoder(_Line)
_TEXTS: Final = msgspec.json.Decoder(str)


def read_edits(path: Path) -> dict[str, str]:
    """The record text of each edited row, by its id. Raises ProjectError with every line that is wrong."""
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise ProjectError([Problem(str(path), None, f"the file cannot be read: {error.strerror}.")]) from None
    edits: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _LINES.decode(line)
            text = _text(found.raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            wanted = 'Each line is an object with "id" and "raw", as bief quarantine list --json prints it.'
            problems.append(Problem(str(path), number, f"the line cannot be read: {error}.", wanted))
            continue
        if found.id in edits:
            problems.append(Problem(str(path), number, f"the row {found.id} stands here a second time.", "Keep one."))
        edits[found.id] = text
    if problems:
        raise ProjectError(problems)
    return edits


def _text(raw: msgspec.Raw) -> str:
    """The text of a record: that of an object as it was written, with its numbers; else what the text says."""
    text = bytes(raw).decode()
    return _TEXTS.decode(raw) if text.lstrip().startswith('"') else text
