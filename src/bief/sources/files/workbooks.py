"""Looks through an Excel file, which is a zip archive of XML, before a library that trusts it holds it in memory.

The library makes room for the whole rectangle of cells in use: one cell in the last corner of a sheet, in a file of a
few kilobytes, would take all memory there is.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO, Final

from bief.errors import SourceMisread
from bief.sources.files.archives import entry_pieces
from bief.sources.files.decompression import Swelling, damaged

_MOST_CELLS: Final = 50_000_000
_CELL: Final = re.compile(rb"""<(?:\w+:)?c\b[^>]*?\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_SHEETS: Final = "xl/worksheets/"
# A cell's tag may be cut by the end of a piece.
_OVERLAP_BYTES: Final = 256
_LETTERS: Final = 26


def require_sound(opening: Callable[[], BinaryIO], swelling: Swelling, name: str) -> None:
    """Raises SourceMisread for a file that is no archive, swells too much, or has sheets too large to be held."""
    try:
        with closing(opening()) as stored, zipfile.ZipFile(stored) as archive:
            entries = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise damaged("Excel", name, str(error)) from None
    corners: dict[str, tuple[int, int]] = {}

    def looked_through() -> Iterator[bytes]:
        for entry in entries:
            tail = b""
            for piece in entry_pieces(opening, name, entry):
                if entry.startswith(_SHEETS):
                    corners[entry] = _grown(corners.get(entry, (0, 0)), tail + piece)
                    tail = piece[-_OVERLAP_BYTES:]
                yield piece

    for _ in swelling.limited(looked_through(), name):
        pass
    for rows, columns in corners.values():
        if rows * columns > _MOST_CELLS:
            raise SourceMisread(
                f"A sheet has {rows} rows and {columns} columns; {_MOST_CELLS} cells are allowed.",
                where=name,
                do="Delete the cells far away from the others, or save the sheet as CSV.",
            )


def _grown(corner: tuple[int, int], text: bytes) -> tuple[int, int]:
    """The corner of the rectangle that holds all cells so far."""
    rows, columns = corner
    for letters, digits in set(_CELL.findall(text)):
        number = 0
        for letter in letters:
            number = number * _LETTERS + letter - ord("A") + 1
        rows, columns = max(rows, int(digits)), max(columns, number)
    return rows, columns
