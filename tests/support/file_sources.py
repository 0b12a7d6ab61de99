"""How tests make a files source and look at what it reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bief.batches.batch import ROW_NUMBER, Batch, Position
from bief.ports.runtime import Runtime
from bief.sources.files import FilesSource

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
