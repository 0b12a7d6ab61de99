"""Writes docs/project-file.md from the models that read bief.yaml, and docs/command-line.md from the command line.

python scripts/generate_docs.py            writes them
python scripts/generate_docs.py --check    only says whether they are up to date
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import typer
from pydantic import BaseModel

from bief.cli.main import COMMANDS, application, load_command
from bief.config.project import Project
from bief.ports import registry

DOCS = Path(__file__).parents[1] / "docs"
_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_ROLES = {
    "sources": ("source", registry.source_kinds, registry.source_class),
    "destinations": ("destination", registry.destination_kinds, registry.destination_class),
}
_PROJECT_FILE = """# The project file

<!-- Written by scripts/generate_docs.py from the models that read the file: change those, then run `make docs`. -->

Everything that Bief knows about a project stands in `bief.yaml`. An unknown key is an error with its line and the
nearest known key. `${NAME}` takes a value from the environment or from `.env` beside the file, `${NAME:-text}` has a
default, `$${` is a plain `${`. What is declared for a source or a pipeline holds for all its streams; a stream may
declare it again for itself.
"""
_COMMAND_LINE = """# The command line

<!-- Written by scripts/generate_docs.py from the commands themselves: change those, then run `make docs`. -->

The exit code is 0 for success, 1 for a failed run, 2 for a wrong project or wrong usage, 3 for a partial run (some
streams were loaded and others failed), 130 for a run that was cancelled.
"""


def project_file() -> str:
    """The reference of bief.yaml."""
    parts = [_PROJECT_FILE, *_model("The whole file", Project.model_json_schema(), skip={"Connection"})]
    for section, (role, kinds, found) in _ROLES.items():
        parts.append(f"\n## {section.capitalize()}\n\nThe `type` of a {role} decides which other keys it has.\n")
        for kind in kinds():
            options: type[BaseModel] = found(kind).Options
            parts += _model(f"`type: {kind}`", options.model_json_schema(), level=3)
    return "".join(parts)


def _model(
    title: str, schema: dict[str, Any], *, level: int = 2, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    """A heading, what the model is, a table of its keys, and the same for the models inside it."""
    definitions = schema.get("$defs", {})
    yield f"\n{'#' * level} {title}\n\n{_flowing(schema.get('description', ''))}\n\n{_table(schema, definitions)}"
    for name, inner in definitions.items():
        if name not in skip and "properties" in inner:
            heading = f"{'#' * (level + 1)} {_label(name)}"
            yield f"\n{heading}\n\n{_flowing(inner.get('description', ''))}\n\n{_table(inner, definitions)}"


def _described(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What the model of a field says about itself, where the field adds nothing."""
    named: dict[str, Any] = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
    return str(named.get("description", ""))


def _table(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    rows = ["| key | value | default | meaning |\n|---|---|---|---|\n"]
    for key, field in schema.get("properties", {}).items():
        default = "required" if key in schema.get("required", []) else _default(field.get("default"))
        examples = ", ".join(f"`{_written(example)}`" for example in field.get("examples", []))
        meaning = _flowing(field.get("description") or _described(field, definitions)) + (
            f" Examples: {examples}." if examples else ""
        )
        rows.append(f"| `{key}` | {_cell(_kind(field))} | {_cell(default)} | {_cell(meaning)} |\n")
    return "".join(rows)


def _kind(field: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in field:
        label = _label(field["$ref"].rpartition("/")[2])
        return f"[{label}](#{label.replace(' ', '-')})"
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        words = [_kind(choice) for choice in choices if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"mapping of names to: {_kind(inner)}" if isinstance(inner, dict) else "mapping"
    return _WORDS.get(field.get("type", ""), "any value")


def _label(name: str) -> str:
    """`PipelineStream` as "pipeline stream"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("Options")).lower().replace("_", " ")


def _default(value: Any) -> str:
    return "" if value is None or value in ([], {}, "") else f"`{_written(value)}`"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def command_line() -> str:
    """The reference of `bief`."""
    commands = [_command(load_command(name), f"bief {name}") for name in COMMANDS]
    return _COMMAND_LINE + _command(application(), "bief") + "".join(commands)


def _command(command: Any, path: str) -> str:
    options = [each for each in command.params if not getattr(each, "hidden", False)]
    with typer.Context(command, info_name=path) as context:
        usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"\n## {path}\n\n```\n{usage}\n```\n\n{_flowing(command.help or '')}\n"]
    if options:
        lines.append("\n| argument | default | meaning |\n|---|---|---|\n")
        lines += [_parameter(each) for each in options]
    shown = (command.epilog or "").replace("\b", "").strip().removeprefix("Examples:").strip("\n").split("\n\n")
    lines += [f"\n```\n{dedent(block)}\n```\n" for block in shown if block.startswith(" ")]
    # The top has its commands by name only: they are loaded one by one.
    inner = getattr(command, "commands", {}) if path != "bief" else {}
    return "".join([*lines, *(_command(each, f"{path} {name}") for name, each in inner.items())])


def _parameter(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    shown = parameter.default if isinstance(parameter.default, int | str | Path) else None
    default = "required" if parameter.required else _default(None if shown is False else str(shown or ""))
    return f"| {names} | {_cell(default)} | {_cell(_flowing(getattr(parameter, 'help', '') or ''))} |\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a reference is out of date")
    check = parser.parse_args().check
    stale = []
    for name, text in (("project-file.md", project_file()), ("command-line.md", command_line())):
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} {'is out of date: run `make docs`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
