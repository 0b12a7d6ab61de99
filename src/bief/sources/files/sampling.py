"""The first rows of a stream, with as little traffic as that takes."""

from __future__ import annotations

from dataclasses import replace

from bief.batches.batch import Batch, Position
from bief.sources.files.contents import Part
from bief.sources.files.formats import NEEDS_PATH, format_of, packing_of
from bief.sources.files.json_lines import no_rows
from bief.sources.files.origin_columns import batch_of
from bief.sources.files.reading import Content
from bief.sources.files.rounds import Surroundings
from bief.storage.stored import Storage, StoredFile


def sampled(around: Surroundings, storage: Storage, rows: int) -> Batch:
    """About the first rows of the first file that has any. Raises SourceError."""
    for file in around.finder.found():
        batch = _of_file(around, storage, file, rows)
        if batch.read:
            return batch
    return Batch(rows=no_rows(), position=_nowhere())


def _of_file(around: Surroundings, storage: Storage, file: StoredFile, rows: int) -> Batch:
    options = around.options
    kind = options.format or format_of(file.name)
    if packing_of(file.name, options.compression) == "none" and kind is not None and kind not in NEEDS_PATH:
        # Read as it comes: what is behind the first rows need not be fetched.
        part = Part(Content(file.name, "", lambda: storage.open(file), size_bytes=file.size_bytes), kind)
        return _of_part(around, file, part, rows)
    with around.contents.on_disk(file) as found, around.contents.parts(found, "") as parts:
        for part in parts:
            batch = _of_part(around, file, part, rows)
            if batch.read:
                return batch
    return Batch(rows=no_rows(), position=_nowhere())


def _of_part(around: Surroundings, file: StoredFile, part: Part, rows: int) -> Batch:
    if around.is_empty(part):
        return Batch(rows=no_rows(), position=_nowhere())
    chunk = around.reader(part.format, part.content.name).sample(part.content, rows)
    batch = batch_of(chunk, part.content.name, part.format, file, around.options.add)
    return replace(batch, position=_nowhere())


def _nowhere() -> Position:
    return Position({}, complete=False)
