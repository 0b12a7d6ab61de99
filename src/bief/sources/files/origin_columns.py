"""From a chunk of a file to a batch, with the columns that say where its rows came from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from bief.batches.arrow import arrow
from bief.batches.batch import Batch
from bief.batches.members import with_members
from bief.batches.schema import TEXT, TIMESTAMP
from bief.errors import SourceMisread
from bief.sources.files.formats import TYPED, Format
from bief.sources.files.options import AddedColumns
from bief.sources.files.reading import Chunk
from bief.storage.stored import StoredFile


def batch_of(chunk: Chunk, content_name: str, kind: Format, file: StoredFile, add: AddedColumns) -> Batch:
    """The rows of a chunk as a batch in the middle of a file. Raises SourceMisread if a column is there already."""
    rows, added = chunk.rows, dict[str, str | datetime | None]()
    for name, value, arrow_type in ((add.file, content_name, TEXT), (add.modified, file.modified, TIMESTAMP)):
        if name is not None:
            rows = _with_column(rows, name, arrow.scalar(value, arrow_type), content_name)
            added[name] = value
    return Batch(
        rows=rows,
        position=None,
        rejected=[replace(row, raw=with_members(row.raw, added)) for row in chunk.rejected],
        provenance=replace(chunk.provenance, raw=lambda number: with_members(chunk.provenance.raw(number), added)),
        typed=kind in TYPED,
    )


def _with_column(rows: pa.Table, name: str, value: Any, where: str) -> pa.Table:
    if name in rows.column_names:
        raise SourceMisread(
            f"The file has a column '{name}' of its own.", where=where, do="Choose another name in `add`."
        )
    return rows.append_column(name, arrow.repeat(value, rows.num_rows))
