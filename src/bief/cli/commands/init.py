"""`bief init`: a new project that runs as it is, or a copy of a shipped example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final

import typer

from bief.cli.commands.schema import write_schema
from bief.cli.display import say
from bief.cli.settings import DebugOption, lazily
from bief.config.folder import PROJECT_FILE
from bief.errors import Problem, ProjectError

EXAMPLES: Final = """
Examples:
  bief init shop                          a small project that runs at once, to make your own
  bief init books --example accounting    a copy of a shipped example
  bief init --list                        the shipped examples
"""

# Package builders and version control treat files that begin with a dot in their own ways.
_RENAMED: Final = {
    "simulator.template": "simulator.py",
    "env.template": ".env.example",
    "env.example": ".env.example",
    "gitignore.template": ".gitignore",
    "dockerignore.template": ".dockerignore",
}
_LEFT_OUT: Final = re.compile(r"__pycache__|\..*_cache|.*\.pyc")
_PROJECT_LINE: Final = re.compile(r"^project: .*$", re.MULTILINE)


def init(
    context: typer.Context,
    *,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="The new folder; an empty one is fine.")] = None,
    example: Annotated[str | None, typer.Option("--example", metavar="NAME", help="Copy this shipped example.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the shipped examples and end.")] = False,
    debug: DebugOption = False,
) -> None:
    """Make a new project, or a copy of a shipped example. Both run as they are, without a network."""
    if listed:
        for name in _examples():
            say(name)
        return
    if folder is None:
        raise typer.BadParameter("which folder? For example: bief init shop", param_hint="'DIR'")
    template = resources.files("bief.cli") / "starter" if example is None else _example(example)
    _refuse_a_full(folder)
    # Before anything is written: a connector that cannot be imported must not leave half a project.
    schema = lazily("bief.assemble:json_schema")()
    _copy(template, folder)
    _complete(folder, name_it=example is None)
    write_schema(folder / ".bief" / "schema.json", schema)
    say(f"{folder}: a new project" + (f" from the example {example}" if example else ""))
    say("Next:")
    for command in _next_commands(folder):
        say(f"  {command}")


def _examples() -> dict[str, Traversable]:
    found = resources.files("bief") / "examples"
    if not found.is_dir():
        return {}
    folders = sorted(found.iterdir(), key=lambda each: each.name)
    return {each.name: each for each in folders if each.is_dir() and (each / PROJECT_FILE).is_file()}


def _example(name: str) -> Traversable:
    known = _examples()
    if name not in known:
        have = ", ".join(known) or "none"
        raise typer.BadParameter(f"there is no example '{name}'. The examples: {have}", param_hint="'--example'")
    return known[name]


def _refuse_a_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "the folder is not empty." if folder.is_dir() else "this is a file, not a folder."
        raise ProjectError([Problem(str(folder), None, what, "Choose a new one: nothing is ever overwritten.")])


def _copy(template: Traversable, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for item in _kept(template):
        target = folder / _RENAMED.get(item.name, item.name)
        if item.is_dir():
            _copy(item, target)
        else:
            target.write_bytes(item.read_bytes())


def _kept(template: Traversable) -> Iterator[Traversable]:
    return (item for item in template.iterdir() if not _LEFT_OUT.fullmatch(item.name))


def _complete(folder: Path, *, name_it: bool) -> None:
    """What every project has, whatever it was copied from."""
    if name_it:
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_")[:63]
        if re.match("[A-Za-z]", name):
            file = folder / PROJECT_FILE
            file.write_text(_PROJECT_LINE.sub(f"project: {name}", file.read_text(encoding="utf-8")), encoding="utf-8")
    ignored = folder / ".gitignore"
    if not ignored.exists():
        starter = resources.files("bief.cli") / "starter" / "gitignore.template"
        ignored.write_bytes(starter.read_bytes())
    secrets, pattern = folder / ".env", folder / ".env.example"
    if pattern.exists() and not secrets.exists():
        secrets.touch(mode=0o600)
        secrets.write_bytes(pattern.read_bytes())


def _next_commands(folder: Path) -> list[str]:
    if folder.resolve() == Path.cwd():
        return ["bief check", "bief run"]
    shown = str(folder)
    return [f"cd {shown}" if re.fullmatch(r"[\w./-]+", shown) else f"cd '{shown}'", "bief run"]
