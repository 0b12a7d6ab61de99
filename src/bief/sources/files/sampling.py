"""The first rows of a stream, with as little traffic as that takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bief.batches.batch import Batch, Position
from bief.sources.files.contents import Part
from bief.sources.files.formats import NEEDS_PATH, format_of, packing_of
from bief.sources.files.joining import joined
from bief.sources.files.json_lines import no_rows
from bief.sources.files.origin_columns import batch_of
from bief.sources.files.reading import Content
from bief.sources.files.rounds import Surroundings
from bief.storage.stored import Storage, StoredFile

_NOWHERE: Final = Position({}, complete=False)


def sampled(around: Surroundings, storage: Storage, rows: int) -> Batch:
    """About the first rows, of as many files as it takes. Raises SourceError."""
    batches: list[Batch] = []
    for file in around.finder.found():
        for batch in _of_file(around, storage, file, rows - sum(each.read for each in batches)):
            batches.append(batch)
            if sum(each.read for each in batches) >= rows:
                break
        else:
            continue
        break
    # Files of different columns are not mixed: the first ones are enough to look at.
    return replace(joined(batches)[0] if batches else Batch(rows=no_rows(), position=None), position=_NOWHERE)


def _of_file(around: Surroundings, storage: Storage, file: StoredFile, rows: int) -> Iterator[Batch]:
    options = around.options
    kind = options.format or format_of(file.name)
    if packing_of(file.name, options.compression) == "none" and kind is not None and kind not in NEEDS_PATH:
        # Read as it comes: what is behind the first rows need not be fetched.
        part = Part(Content(file.name, "", lambda: storage.open(file), size_bytes=file.size_bytes), kind)
        yield from _of_part(around, file, part, rows)
        return
    with around.contents.on_disk(file) as found, around.contents.parts(found, "") as parts:
        for part in parts:
            yield from _of_part(around, file, part, rows)


def _of_part(around: Surroundings, file: StoredFile, part: Part, rows: int) -> Iterator[Batch]:
    if not around.is_empty(part):
        chunk = around.reader(part.format, part.content.name).sample(part.content, rows)
        batch = batch_of(chunk, part.content.name, part.format, file, around.options.add)
        if batch.read:
            yield batch
