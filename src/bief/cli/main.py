"""The command `bief`: finds the command in `COMMANDS`, runs it, and turns every error into one paragraph.

Each command is a module of `cli/commands`, imported only when it is called, so that `bief --help` stays quick.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from bief import __version__
from bief.cli.failures import report
from bief.cli.settings import DebugOption, ProjectOption, Settings, in_lines


class Command(NamedTuple):
    """Where a command is, and its line in `bief --help`."""

    place: str
    line: str


COMMANDS: Final = {
    "init": Command("bief.cli.commands.init:init", "Make a new project, or a copy of a shipped example."),
    "schema": Command("bief.cli.commands.schema:schema", "Write the JSON Schema of bief.yaml, for editors."),
    "check": Command("bief.cli.commands.check:check", "Validate the project; with --connect also reach everything."),
    "plan": Command("bief.cli.commands.plan:plan", "Show what a run would do; writes nothing."),
    "run": Command("bief.cli.commands.run:run", "Run pipelines now."),
    "preview": Command("bief.cli.commands.preview:preview", "Show rows before and after shaping; writes nothing."),
    "verify": Command("bief.cli.commands.verify:verify", "Compare source and destination, row by row; writes nothing."),
    "quarantine": Command("bief.cli.commands.quarantine:quarantine", "List, show and replay the rejected rows."),
    "rollback": Command("bief.cli.commands.rollback:rollback", "Take back what a run has loaded."),
    "runs": Command("bief.cli.commands.runs:runs", "Show the history of runs."),
    "logs": Command("bief.cli.commands.logs:logs", "Show the log of a run."),
    "query": Command("bief.cli.commands.query:query", "Ask a destination, read-only."),
}


def load_command(name: str) -> Any:
    """The command of that name, with its options or its own commands. Imports its module."""
    module_name, _, function = COMMANDS[name].place.partition(":")
    module = importlib.import_module(module_name)
    found = getattr(module, function)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    application = typer.Typer(add_completion=False, rich_markup_mode=None)
    application.command(name, epilog=in_lines(module.EXAMPLES))(found)
    return typer.main.get_command(application)


class Commands(TyperGroup):
    """Knows all commands by name and help line, and imports the one that is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, command in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=command.line, short_help=command.line, add_help_option=False)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, known, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else known, rest


EXAMPLES: Final = """
Examples:
  bief init shop              a new project in the folder shop
  bief check --connect        is everything right, and does everything answer?
  bief run                    run all pipelines
  bief COMMAND --help         options and examples of a command
"""


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's way
    if asked:
        sys.stdout.write(f"bief {__version__}\n")
        raise typer.Exit


def _start(
    context: typer.Context,
    *,
    project: ProjectOption = None,
    debug: DebugOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Carry data from APIs, files and databases into PostgreSQL, SQLite and DuckDB: exactly once, nothing lost."""
    context.obj.folder = project
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")
        raise typer.Exit(2)


def application() -> Any:
    """The whole command line as one object of Typer's."""
    bief = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    bief.callback(cls=Commands, invoke_without_command=True, epilog=in_lines(EXAMPLES))(_start)
    return typer.main.get_command(bief)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character must not end a run.
            stream.reconfigure(errors="replace")
    # A command makes many objects and hardly any circles of them: looking for circles less often saves 4 % of a run.
    gc.set_threshold(100_000, 20, 20)
    # The thread that reads must not keep the one that writes waiting for five milliseconds at each of its answers.
    sys.setswitchinterval(0.0005)
    settings = Settings()
    try:
        code = application().main(arguments, prog_name="bief", standalone_mode=False, obj=settings)
    except Exception as error:  # noqa: BLE001 - the last place that can say it in one paragraph
        code = report(error, settings)
    sys.exit(code if isinstance(code, int) else 0)
