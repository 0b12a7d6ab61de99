"""What the project file says about a Python source."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from bief.base.secrets import Secret
from bief.config.closed import Closed
from bief.config.project import Name
from bief.config.streams import StreamOptions


def _identifier(value: str) -> str:
    if not value.isidentifier():
        raise ValueError("is not the name of a Python function")
    return value


def _python_file(value: str) -> str:
    if not value.endswith(".py"):
        raise ValueError("is not the name of a Python file: it does not end with `.py`")
    return value


class PythonStream(StreamOptions):
    """One function, whose rows are a stream."""

    function: Annotated[str, AfterValidator(_identifier)] | None = Field(default=None, examples=["readings"])
    """The function in the file; the one with the name of the stream if it is not given."""
    cursor: str | None = Field(default=None, examples=["updated_at"])
    """The column that grows with each change of a row. Its greatest value so far is given to the function as
    `since`, and an older version of a row never replaces a newer one. Without it, each run loads all rows again."""
    batch_rows: int = Field(default=20_000, ge=1, le=1_000_000, examples=[20_000])
    """Most rows that are held in memory before they are written."""


class PythonOptions(Closed):
    """Functions of a Python file in the project folder, which yield rows."""

    type: str = "python"
    """The kind of source: `python`."""
    file: Annotated[str, AfterValidator(_python_file)] = Field(examples=["sources/weather.py"])
    """The Python file, below the project folder. Modules beside it can be imported by it."""
    streams: dict[Name, PythonStream] | None = Field(
        default=None, min_length=1, examples=[{"readings": {"primary_key": ["station", "at"], "cursor": "at"}}]
    )
    """The streams by name. Every function with the decorator `@bief.source` if it is not given."""
    options: dict[str, Any] = Field(default={}, examples=[{"stations": ["07149", "07110"]}])
    """Given to functions that have a parameter `options`."""
    secrets: dict[str, Secret] = Field(default={}, examples=[{"token": "${WEATHER_TOKEN}"}])
    """Given to functions that have a parameter `secrets`, as plain texts by name. Bief takes these texts out of every
    log and error."""
