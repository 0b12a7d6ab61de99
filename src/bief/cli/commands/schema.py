"""`bief schema`: the JSON Schema of bief.yaml, by which editors complete and check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from bief.cli.display import show_json
from bief.cli.settings import DebugOption, lazily

EXAMPLES: Final = """
Examples:
  bief schema                             print it
  bief schema -o .bief/schema.json        write it where the first line of bief.yaml looks for it
"""


def schema(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to this file instead of stdout.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Print the JSON Schema of bief.yaml, with the options of every connector that is installed."""
    found = lazily("bief.assemble:json_schema")()
    if output is None:
        show_json(found)
    else:
        write_schema(output, found)


def write_schema(path: Path, found: object) -> None:
    """Write the schema to a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
