"""How tests make a files source and look at what it reads; its offers for the conformance suite."""

from __future__ import annotations

import contextlib
import gzip
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bief.batches.batch import ROW_NUMBER, Batch, Position
from bief.ports.runtime import Runtime
from bief.sources.files import FilesSource
from bief.testing import Offer

STREAM = "rows"


@contextlib.contextmanager
def file_source(
    folder: Path, files: str | list[str], *, events: list | None = None, runtime: Runtime | None = None, **words: Any
) -> Iterator[FilesSource]:
    """A source with one stream. Words that the source knows (`path`, `limits`, …) are its own, others the stream's."""
    own = {name: words.pop(name) for name in list(words) if name in FilesSource.Options.model_fields}
    options = {"path": str(folder), **own, "streams": {STREAM: {"files": files, **words}}}
    heard = events if events is not None else []
    runtime = runtime or Runtime(folder=folder, emit=heard.append)
    source = FilesSource("exports", FilesSource.Options.model_validate(options), runtime)
    try:
        yield source
    finally:
        source.close()


def read(folder: Path, files: str | list[str], since: Position | None = None, **words: Any) -> list[Batch]:
    """All batches of one read."""
    with file_source(folder, files, **words) as source:
        return list(source.read(STREAM, since))


def rows_of(batches: list[Batch]) -> list[dict[str, Any]]:
    """The rows of batches, without their numbers."""
    found = [row for batch in batches for row in batch.rows.to_pylist()]
    return [{name: value for name, value in row.items() if name != ROW_NUMBER} for row in found]


def rejected_of(batches: list[Batch]) -> list:
    return [row for batch in batches for row in batch.rejected]


def again(position: Position | None) -> Position:
    """The position as another process gets it."""
    assert position is not None
    return Position(json.loads(json.dumps(dict(position.value))), position.complete)


def spooled(folder: Path) -> list[Path]:
    """What is left in the spool."""
    return list((folder / ".bief" / "spool").glob("*"))


def json_lines(first: int, last: int) -> bytes:
    """Records with the ids from `first` up to before `last`."""
    return b"".join(b'{"id": %d, "name": "row %d"}\n' % (number, number) for number in range(first, last))


def _csv(path: Path, keys: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in ["id,name", *(f"{key},x" for key in keys)]))


def _json_lines(path: Path, keys: Sequence[str]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps({"id": key}) + "\n" for key in keys).encode()))


def _document(path: Path, keys: Sequence[str]) -> None:
    path.write_text(json.dumps([{"id": key, "n": [1]} for key in keys]))


def _parquet(path: Path, keys: Sequence[str]) -> None:
    pq.write_table(pa.table({"id": pa.array(keys, pa.string())}), path, row_group_size=2)


def _arrow(path: Path, keys: Sequence[str]) -> None:
    table = pa.table({"id": pa.array(keys, pa.string())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _archive(path: Path, keys: Sequence[str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number, key in enumerate(keys):
            archive.writestr(f"{number}.jsonl", json.dumps({"id": key}))


_WRITERS: dict[str, Callable[[Path, Sequence[str]], None]] = {
    "csv": _csv,
    "jsonl.gz": _json_lines,
    "json": _document,
    "parquet": _parquet,
    "arrow": _arrow,
    "zip": _archive,
}
FILE_OFFERS = tuple(_WRITERS)


def offered_files(ending: str, **words: Any) -> Callable[[Runtime], contextlib.AbstractContextManager[Offer]]:
    """Five files of one format, each loaded by itself."""

    @contextlib.contextmanager
    def opened(runtime: Runtime) -> Iterator[Offer]:
        keys = [f"k{number:02}" for number in range(23)]
        for number in range(5):
            _WRITERS[ending](runtime.folder / f"{number}.{ending}", keys[number * 5 : number * 5 + 5])
        declared = {"primary_key": "id", "batch_rows": 1, **words}
        with file_source(runtime.folder, f"*.{ending}", runtime=runtime, **declared) as source:
            yield Offer(source, STREAM, keys)

    return opened
