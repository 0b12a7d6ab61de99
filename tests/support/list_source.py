"""A source whose streams are lists in memory: what the runner's tests read from.

Each batch has `batch_rows` rows; the position counts the rows that were given. A stream listed in `breaks` raises
that error when it is to give the row of that number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance
from bief.ports.source import Stream


@dataclass
class ListSource:
    declared: Sequence[Stream]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    batch_rows: int = 2
    breaks: dict[str, tuple[int, Exception]] = field(default_factory=dict)
    reads: list[tuple[str, Position | None]] = field(default_factory=list)

    kind = "list"
    Options = BaseModel

    def streams(self) -> Sequence[Stream]:
        return self.declared

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        self.reads.append((stream, since))
        resumed = since is not None and not since.complete
        start = int(since.value["given"]) if since is not None and resumed else 0
        rows = self.rows[stream]
        while True:
            part = rows[start : start + self.batch_rows]
            broken_at, error = self.breaks.get(stream, (len(rows) + 1, None))
            if error is not None and start + len(part) > broken_at:
                raise error
            start += len(part)
            yield self._batch(part, Position({"given": start}, complete=start >= len(rows)))
            if start >= len(rows):
                return

    def sample(self, stream: str, rows: int) -> Batch:
        return self._batch(self.rows[stream][:rows], Position({}, complete=True))

    def _batch(self, part: Sequence[Mapping[str, Any]], position: Position) -> Batch:
        table = pa.Table.from_pylist([{**row, ROW_NUMBER: number} for number, row in enumerate(part)])
        return Batch(rows=table, position=position, provenance=Provenance(raw=lambda number: repr(part[number])))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass
