"""Arrow IPC files (also called Feather 2) and streams, by record batch. Implements `reading.FormatReader`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc

from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.arrow_columns import ArrowColumns, first_rows
from bief.sources.files.parquet import broken
from bief.sources.files.reading import Chunk, Content

_CHUNK_ROWS: Final = 50_000
_MAGIC: Final = b"ARROW1"
_OLD_MAGIC: Final = b"FEA1"
_BROKEN: Final = (pa.ArrowException, OSError, MemoryError, OverflowError, ValueError)
_arrow: Final[Any] = pa


class ArrowReader:
    """Reads the files of one stream. Safe to share by threads."""

    def __init__(self) -> None:
        self._columns = ArrowColumns()

    def chunks(self, content: Content) -> Iterator[Chunk]:
        rows = 0
        for batch in _batches(content):
            for start in range(0, max(batch.num_rows, 1), _CHUNK_ROWS):
                part = batch.slice(start, _CHUNK_ROWS)
                try:
                    chunk = self._columns.chunk(part, content.name, rows, part.nbytes)
                except SourceChanged:
                    if rows:
                        raise
                    # Nothing was given yet: what was learnt just now is enough.
                    chunk = self._columns.chunk(part, content.name, rows, part.nbytes)
                yield chunk
                rows += part.num_rows

    def sample(self, content: Content, rows: int) -> Chunk:
        batch = first_rows(_batches(content), rows)
        try:
            return self._columns.chunk(batch, content.name, 0, 0)
        except SourceChanged:
            return self._columns.chunk(batch, content.name, 0, 0)


def _batches(content: Content) -> Iterator[Any]:
    """The record batches, each looked through: a damaged one must not be trusted. At least one."""
    if content.path is None:
        raise AssertionError("Arrow files are read from a local file")
    try:
        with _arrow.OSFile(str(content.path)) as file:
            head = file.read(len(_MAGIC))
            if head.startswith(_OLD_MAGIC):
                raise SourceMisread(
                    "The file is Feather 1, an old format.",
                    where=content.name,
                    do="Have it written as Feather 2 or Parquet.",
                )
            file.seek(0)
            reader = _arrow.ipc.open_file(file) if head == _MAGIC else None
            batches = (
                iter(_arrow.ipc.open_stream(file))
                if reader is None
                else (reader.get_batch(place) for place in range(reader.num_record_batches))
            )
            first = True
            for batch in batches:
                batch.validate(full=True)
                yield batch
                first = False
            if first:
                file.seek(0)
                schema = reader.schema if reader is not None else _arrow.ipc.open_stream(file).schema
                yield _arrow.RecordBatch.from_pylist([], schema)
    except _BROKEN as error:
        raise broken("Arrow", content.name, error) from None
