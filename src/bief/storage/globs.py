"""Patterns of file names, the same for every place.

`*` and `?` stand for characters of one name, `[abc]` for one of some, `**` for any number of folders. As in a shell,
none of them stands for a dot at the beginning of a name: hidden files are found by their own name only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MAGIC: Final = re.compile(r"[*?\[]")
_CLASS: Final = re.compile(r"\[([!^]?)(\]?[^\]/]*)\]")
ANY_FOLDERS: Final = "**"


def is_plain(pattern: str) -> bool:
    """Whether the pattern is simply a name."""
    return MAGIC.search(pattern) is None


def problem_of(pattern: str) -> str:
    """What is wrong with a pattern, or nothing."""
    if not pattern or pattern.startswith("/") or "\x00" in pattern:
        return "must be the name of a file, or a pattern such as *.csv, below `path`"
    if any(part in ("", ".", "..") for part in pattern.split("/")):
        return "must not have empty parts, `.` or `..`: all files lie below `path`"
    return ""


def fixed_folder(pattern: str) -> str:
    """The folders that a pattern begins with, as far as they are plain: `2024/*/x.csv` → `2024`."""
    plain: list[str] = []
    for part in pattern.split("/")[:-1]:
        if MAGIC.search(part):
            break
        plain.append(part)
    return "/".join(plain)


def part_matcher(part: str) -> Callable[[str], bool]:
    """Whether one name matches one part of a pattern."""
    compiled = re.compile(_part(part), re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole name, folders included, matches a pattern."""
    parts = pattern.split("/")
    *folders, last = [
        part for place, part in enumerate(parts) if not (place and part == parts[place - 1] == ANY_FOLDERS)
    ]
    text = "".join(r"(?:(?!\.)[^/]+/)*" if part == ANY_FOLDERS else f"{_part(part)}/" for part in folders)
    text += r"(?:(?!\.)[^/]+/)*(?!\.)[^/]+" if last == ANY_FOLDERS else _part(last)
    compiled = re.compile(text, re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _part(part: str) -> str:
    text = r"(?!\.)" if MAGIC.match(part) else ""
    place = 0
    while place < len(part):
        character = part[place]
        group = _CLASS.match(part, place) if character == "[" else None
        if group is not None:
            inner = group[2].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
            text += f"[{'^/' if group[1] else ''}{inner}]"
            place = group.end()
            continue
        text += {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)
        place += 1
    return text
