"""What the project file says about Excel files."""

from __future__ import annotations

from pydantic import Field

from bief.config.closed import Closed


class ExcelOptions(Closed):
    """Where the rows of an Excel file are."""

    sheet: str | int = Field(default=1, examples=["Orders", 2])
    """The sheet: its name, or its number from 1."""
    header_row: int = Field(default=1, ge=1, examples=[3])
    """The row with the names of the columns, from 1; rows above it are left out."""
