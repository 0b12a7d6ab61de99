"""Parquet files, some rows of a row group at a time. Implements `reading.FormatReader`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet

from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.arrow_columns import ArrowColumns, first_rows
from bief.sources.files.reading import Chunk, Content

_CHUNK_BYTES: Final = 16 << 20
_CHUNK_ROWS: Final = range(1_000, 50_001)
_BUFFER_BYTES: Final = 1 << 20
_BROKEN: Final = (pa.ArrowException, OSError, MemoryError, OverflowError, ValueError)
_parquet: Final[Any] = pyarrow.parquet


class ParquetReader:
    """Reads the files of one stream. Safe to share by threads."""

    def __init__(self) -> None:
        self._columns = ArrowColumns()

    def chunks(self, content: Content) -> Iterator[Chunk]:
        rows = 0
        batches = _batches(content, _CHUNK_ROWS.stop - 1)
        for batch, size_bytes in batches:
            try:
                chunk = self._columns.chunk(batch, content.name, rows, size_bytes)
            except SourceChanged:
                if rows:
                    raise
                # Nothing was given yet: what was learnt just now is enough.
                chunk = self._columns.chunk(batch, content.name, rows, size_bytes)
            yield chunk
            rows += batch.num_rows

    def sample(self, content: Content, rows: int) -> Chunk:
        part = first_rows((batch for batch, _ in _batches(content, max(rows, 1))), rows)
        try:
            return self._columns.chunk(part, content.name, 0, 0)
        except SourceChanged:
            return self._columns.chunk(part, content.name, 0, 0)


def _batches(content: Content, most_rows: int) -> Iterator[tuple[Any, int]]:
    """The rows in batches, with what each took in the file. At least one, even if it has no rows."""
    if content.path is None:
        raise AssertionError("Parquet is read from a local file")
    given = 0
    try:
        with _parquet.ParquetFile(content.path, buffer_size=_BUFFER_BYTES, page_checksum_verification=True) as file:
            expected: int = file.metadata.num_rows
            for group in range(file.metadata.num_row_groups):
                facts = file.metadata.row_group(group)
                plain = max(facts.total_byte_size, 1) / max(facts.num_rows, 1)
                packed = sum(facts.column(place).total_compressed_size for place in range(facts.num_columns))
                size = min(max(int(_CHUNK_BYTES / plain), _CHUNK_ROWS.start), most_rows)
                for batch in file.iter_batches(batch_size=size, row_groups=[group]):
                    yield batch, round(packed * batch.num_rows / max(facts.num_rows, 1))
                    given += batch.num_rows
            if not given:
                yield file.schema_arrow.empty_table().combine_chunks(), 0
    except _BROKEN as error:
        raise broken("Parquet", content.name, error) from None
    if given != expected:
        raise broken("Parquet", content.name, f"it announces {expected} rows and has {given}")


def broken(kind: str, name: str, reason: object) -> SourceMisread:
    """A file that is not what it should be, or damaged."""
    text = " ".join(str(reason).split())[:300] or type(reason).__name__
    return SourceMisread(
        f"The file is no {kind} file, or it is damaged: {text}.",
        where=name,
        do="Nothing of it was loaded. Have it written again.",
    )
