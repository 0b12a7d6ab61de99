"""Excel files. Implements `reading.FormatReader` with python-calamine, the extra `excel`.

A sheet is looked through once for what its cells hold, so that each column has one type; a formula gives the value that
it had when the file was saved, and a text is taken as it stands, whatever it begins with.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, TEXT
from bief.errors import SourceMisread, SourceRefused
from bief.sources.files.arrow_columns import raw_row
from bief.sources.files.excel_options import ExcelOptions
from bief.sources.files.parquet import broken
from bief.sources.files.reading import Chunk, Content

_CHUNK_ROWS: Final = 20_000
_EXACT_FLOATS: Final = 2**53
Row = Sequence[Any]


class ExcelReader:
    """Reads the files of one stream. Safe to share by threads."""

    def __init__(self, options: ExcelOptions) -> None:
        self._options = options

    def chunks(self, content: Content) -> Iterator[Chunk]:
        sheet = self._sheet(content)
        names = self._names(sheet, content.name)
        columns = dict(zip(names, _types(self._rows(sheet), len(names)), strict=True))
        rows = self._rows(sheet)
        first = self._options.header_row + 1
        share = (content.size_bytes or 0) / max(sheet.total_height, 1)
        while True:
            part = list(islice(rows, _CHUNK_ROWS))
            yield _chunk(part, columns, content.name, first, round(share * len(part)))
            first += len(part)
            if len(part) < _CHUNK_ROWS:
                return

    def sample(self, content: Content, rows: int) -> Chunk:
        sheet = self._sheet(content)
        names = self._names(sheet, content.name)
        part = list(islice(self._rows(sheet), rows))
        columns = dict(zip(names, _types(iter(part), len(names)), strict=True))
        return _chunk(part, columns, content.name, self._options.header_row + 1, 0)

    def _sheet(self, content: Content) -> Any:
        """The sheet, as the library gives it. Raises SourceMisread, SourceRefused."""
        library = _library()
        wanted = self._options.sheet
        try:
            with content.open() as stream:
                book = library.CalamineWorkbook.from_object(stream)
            names = book.sheet_names
            number = wanted - 1 if isinstance(wanted, int) else names.index(wanted) if wanted in names else -1
            if not 0 <= number < len(names):
                raise SourceMisread(
                    f"The file has no sheet {wanted!r}; its sheets are {', '.join(map(repr, names))}.",
                    where=content.name,
                    do="Check `excel.sheet` of the stream.",
                )
            return book.get_sheet_by_index(number)
        except (library.CalamineError, OSError, ValueError) as error:
            raise broken("Excel", content.name, error) from None

    def _rows(self, sheet: Any) -> Iterator[Row]:
        """The rows below the header."""
        return islice(_all_rows(sheet), self._options.header_row, None)

    def _names(self, sheet: Any, name: str) -> list[str]:
        """The names of the columns. Raises SourceMisread if there are none, or one twice."""
        header = next(islice(_all_rows(sheet), self._options.header_row - 1, None), None)
        if header is None or not any(cell != "" for cell in header):
            raise SourceMisread(
                f"Row {self._options.header_row} has no names of columns.",
                where=name,
                do="Check `excel.sheet` and `excel.header_row` of the stream.",
            )
        names = [shown(cell).strip() or f"column_{place}" for place, cell in enumerate(header, 1)]
        twice = {each for each in names if names.count(each) > 1}
        if twice:
            raise SourceMisread(
                f"Two columns are called {min(twice)!r}.", where=name, do="Give each column a name of its own."
            )
        return names


def _library() -> Any:
    try:
        return importlib.import_module("python_calamine")
    except ImportError:
        raise SourceRefused(
            "Reading Excel files needs a package that is not installed.", do="Run: pip install 'bief[excel]'"
        ) from None


def _all_rows(sheet: Any) -> Iterator[Row]:
    """All rows from the first one of the sheet on, also those above the first cell that has something."""
    start = sheet.start or (0, 0)
    for _ in range(start[0]):
        yield []
    left = [""] * start[1]
    for row in sheet.iter_rows():
        yield [*left, *row]


def _types(rows: Iterator[Row], columns: int) -> list[Any]:
    """The type of each column, from the kinds of all its cells."""
    kinds: list[set[Any]] = [set() for _ in range(columns)]
    for row in rows:
        for found, cell in zip(kinds, row, strict=False):
            if cell != "":
                found.add(_kind(cell))
    return [_type(found) for found in kinds]


def _kind(cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT_FLOATS:
        return int
    return type(cell)


def _type(kinds: set[Any]) -> Any:
    if not kinds:
        return pa.null()
    for together, arrow_type in (
        ({bool}, BOOLEAN),
        ({int}, INTEGER),
        ({int, float}, FLOAT),
        ({date}, DATE),
        ({date, datetime}, DATETIME),
    ):
        if kinds <= together:
            return arrow_type
    return TEXT


def shown(cell: Any) -> str:
    """A cell as text: whole numbers without a point, moments as in ISO 8601."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT_FLOATS:
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _value(cell: Any, to: Any) -> Any:
    if cell == "":
        return None
    if to == INTEGER:
        return int(cell)
    if to == FLOAT:
        return float(cell)
    if to == DATETIME and not isinstance(cell, datetime):
        return datetime.combine(cell, time())
    return shown(cell) if to == TEXT else cell


def _chunk(part: list[Row], columns_of: Mapping[str, Any], name: str, first_row: int, size_bytes: int) -> Chunk:
    """Rows that are not all empty, with their numbers as Excel counts them."""
    places = [place for place, row in enumerate(part) if any(cell != "" for cell in row)]
    columns: dict[str, Column] = {}
    for index, (column, to) in enumerate(columns_of.items()):
        values = [_value(part[place][index] if index < len(part[place]) else "", to) for place in places]
        columns[column] = arrow.chunked_array([arrow.array(values, to)])
    columns[ROW_NUMBER] = arrow.chunked_array([arrow.array(range(len(places)), pa.int64())])
    rows = arrow.table(columns)
    provenance = Provenance(
        raw=lambda row: raw_row(rows, row), origin=lambda row: f"{name}, row {first_row + places[row]}"
    )
    return Chunk(rows, (), provenance, size_bytes)
