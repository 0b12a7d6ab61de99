"""CSV texts as files, and reading them as the road does: from the beginning again when the source says so."""

from __future__ import annotations

from io import BytesIO

import pyarrow as pa

from bief.batches.batch import ROW_NUMBER
from bief.errors import SourceChanged
from bief.sources.files.csv.options import CsvOptions
from bief.sources.files.csv.reader import CsvReader
from bief.sources.files.reading import Content


def content(data, name="orders.csv"):
    return Content(name, identity=name, open=lambda: BytesIO(data))


def reader(declared=None, block_bytes=4 * 2**20, warnings=None, **options):
    warn = (lambda message: None) if warnings is None else warnings.append
    return CsvReader(CsvOptions(**options), declared or {}, warn, block_bytes=block_bytes)


def chunks(data, **how):
    """All chunks of a file, in the types that hold in the end."""
    data = data.encode() if isinstance(data, str) else data
    one = reader(**how)
    for _ in range(3):
        try:
            return list(one.chunks(content(data)))
        except SourceChanged:
            continue
    raise AssertionError("the file was to be read again and again")


def read(data, **how):
    """The rows of a file as one table, without the row numbers, and its rejected rows."""
    found = chunks(data, **how)
    tables = [chunk.rows.drop_columns([ROW_NUMBER]) for chunk in found]
    rejected = [row for chunk in found for row in chunk.rejected]
    return pa.concat_tables(tables, promote_options="default"), rejected


def lists(data, **how):
    """The columns of a file as lists."""
    return read(data, **how)[0].to_pydict()
