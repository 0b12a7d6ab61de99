"""Printing: tables and lines for people, one JSON document for scripts. Called by every command.

Nothing that came from a source or a destination is taken for markup or reaches the terminal as a control code.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bief.observe.printable import printable

# Wide enough that a pipe gets every row of a table on one line.
_WIDTH_WITHOUT_TERMINAL: Final = 400
_MAX_CELL: Final = 200
STATE_STYLES: Final = {
    "success": "green",
    "partial": "yellow",
    "failed": "bold red",
    "crashed": "bold red",
    "cancelled": "yellow",
    "running": "cyan",
}


def console() -> Console:
    """Where people read: colours on a terminal only, and never when NO_COLOR is set."""
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def say(text: str, style: str = "") -> None:
    """One line for people."""
    console().print(Text(printable(text), style=style))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; numbers are aligned to the right, states are coloured."""
    shown = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        cells = [row[index] for row in shown if row[index] is not None]
        numbers = bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
        # What is left of a name cut by an ellipsis cannot be typed again: long cells fold.
        table.add_column(Text(printable(column)), justify="right" if numbers else "left", overflow="fold")
    for row in shown:
        table.add_row(*(cell_text(cell) for cell in row))
    console().print(table)


def cell_text(value: Any) -> Text:
    """A value as it may stand in a table."""
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("true" if value else "false")
    if isinstance(value, int):
        return Text(str(value))
    if isinstance(value, float):
        return Text(f"{value:g}")
    text = value if isinstance(value, str) else json_text(value) if isinstance(value, dict | list) else str(value)
    return Text(printable(text, _MAX_CELL), style=STATE_STYLES.get(text, ""))


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(as_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def json_text(value: Any) -> str:
    """A value as one line of JSON."""
    return json.dumps(as_json(value), ensure_ascii=False, allow_nan=False)


def as_json(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """A value of any column type in words of JSON: exact numbers as text, bytes in base64, times in ISO 8601."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value)


def duration(seconds: float) -> str:
    """12.3 s, 4 min 05 s or 2 h 03 min."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def moment(value: datetime) -> str:
    """In the time zone of whoever reads, which is named."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
