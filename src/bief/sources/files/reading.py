"""What the files source and the readers of its formats promise each other.

`source` finds, opens and decompresses files and keeps the positions; a reader turns the content of one file into
chunks of rows. There is one reader for each stream, and it lives as long as the source: what it learnt of a file
before it raised `SourceChanged` (a column that turned out to be text) it knows at the next read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from bief.batches.batch import Provenance, RejectedRow


@dataclass(frozen=True)
class Content:
    """One file, decompressed. `name` is for people ("orders.csv", "year.zip/orders.csv"); `identity` tells two
    contents apart. `open` gives the bytes from the beginning, each time anew; reading them raises `SourceMisread`
    for a damaged archive. `path` is a local file with just these bytes, for formats that are not read front to back;
    None where there is none (compressed content, unless it was spooled). `lines_before`: the content is the rest of a
    file of which so many lines were loaded earlier."""

    name: str
    identity: str
    open: Callable[[], BinaryIO]
    path: Path | None = None
    size_bytes: int | None = None
    lines_before: int = 0


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, in the types that the whole file has. `rows` has ROW_NUMBER, which `provenance` takes;
    `size_bytes` is what these rows took in the file, for the progress display."""

    rows: pa.Table
    rejected: Sequence[RejectedRow] = ()
    provenance: Provenance = field(default_factory=Provenance)
    size_bytes: int = 0


class FormatReader(Protocol):
    """Reads files of one format for one stream."""

    def chunks(self, content: Content) -> Iterator[Chunk]:
        """The rows of a file, in order, a few megabytes at a time; memory does not grow with the file.

        Raises `SourceMisread` where the file as a whole cannot be trusted (nothing of it is loaded then), and
        `SourceChanged` where chunks that were given already have to be read again with what was learnt.
        """
        ...

    def sample(self, content: Content, rows: int) -> Chunk:
        """About the first `rows` rows, for a preview."""
        ...
