"""A source whose streams are JSON texts in memory, read as every source of records reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from bief.batches.batch import Batch, Position, Provenance
from bief.batches.rows import RecordReader
from bief.ports.source import Stream


@dataclass
class JsonSource:
    """Each read gives all texts of a stream, `batch_rows` to a batch."""

    declared: Sequence[Stream]
    texts: dict[str, list[str]]
    batch_rows: int = 1000
    reads: list[Position | None] = field(default_factory=list)

    kind = "json"
    Options = BaseModel

    def streams(self) -> Sequence[Stream]:
        return self.declared

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        self.reads.append(since)
        [declared] = [each for each in self.declared if each.name == stream]
        reader, texts = RecordReader(declared.shape.reader_types()), self.texts[stream]
        for start in range(0, max(1, len(texts)), self.batch_rows):
            end = start + self.batch_rows
            yield _batch(reader, texts[start:end], start, Position({"given": end}, complete=end >= len(texts)))

    def sample(self, stream: str, rows: int) -> Batch:
        return next(self.read(stream, None))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


def _batch(reader: RecordReader, part: list[str], start: int, position: Position) -> Batch:
    def origin(number: int) -> str:
        return f"record {start + number + 1}"

    read = reader.read([text.encode() for text in part], origin)
    return Batch(read.rows, position, read.rejected, provenance=Provenance(raw=part.__getitem__, origin=origin))
