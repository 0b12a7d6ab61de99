"""Rows set down on the disk while they pass, so that a few of them can be looked at again afterwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa

_ROWS_TOGETHER: Final = 32_768


class Spool:
    """A file of Arrow rows: written from the beginning to the end, read by place. Owned by one thread at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._starts = [0]
        self._file = pa.OSFile(str(path), "wb")
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._writer: Any = pa.ipc.new_file(self._file, schema, options=options)

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return self._starts[-1]

    def add(self, rows: pa.Table) -> None:
        """Set rows down. The first row of all has place 0."""
        for batch in rows.to_batches(max_chunksize=_ROWS_TOGETHER):
            self._writer.write_batch(batch)
            self._starts.append(self._starts[-1] + batch.num_rows)

    def taken(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The rows at these places, in this order. Nothing can be added after that."""
        self.close()
        found: dict[int, dict[str, Any]] = {}
        with pa.memory_map(str(self._path)) as file:
            reader: Any = pa.ipc.open_file(file)
            by_batch: dict[int, list[int]] = {}
            for place in places:
                by_batch.setdefault(bisect_right(self._starts, place) - 1, []).append(place)
            for number, inside in by_batch.items():
                offsets = [place - self._starts[number] for place in inside]
                rows = reader.get_batch(number).take(pa.array(offsets, pa.int64())).to_pylist()
                found.update(zip(inside, rows, strict=True))
        return [found[place] for place in places]

    def close(self) -> None:
        """End the file. Can be called twice."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
