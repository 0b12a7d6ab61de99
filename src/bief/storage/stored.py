"""What every place of files promises. Implemented by `local`, `web` and `s3`, made by `opening`, used by connectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class StoredFile:
    """One file below the place.

    `name` is for people and for the memory of what was loaded: folders and name with `/` between them; `key` is what
    the place itself knows the file by. `version` changes when the content does, as far as the place tells ("" if it
    tells nothing); `stamp` changes with whatever touches the file, and may be relied on if `is_settled`: then no
    other content can have the same one. `touched` is the last moment at which the file is known to have changed.
    """

    name: str
    key: str
    size_bytes: int | None
    modified: datetime | None
    touched: datetime | None
    version: str
    stamp: str
    is_settled: bool = True


class Storage(Protocol):
    """A place with files. Its methods may be called from several threads."""

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        """The files that match any of the patterns (`globs`), each once, by name. None is no error.

        Raises SourceUnavailable, SourceRefused.
        """
        ...

    def stat(self, file: StoredFile) -> StoredFile | None:
        """The same file as it is now; None if it is gone. Raises as `find`."""
        ...

    def open(self, file: StoredFile) -> BinaryIO:
        """The bytes of a file from its beginning, as they come. Raises as `find`, at once and while it is read."""
        ...

    def local_path(self, file: StoredFile) -> Path | None:
        """Where the file lies on this machine; None if it must be fetched first."""
        ...

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        """Copy the file to a path of this machine and tell which version that was; tries again what is transient.

        Raises SourceMisread for a file of more than `max_bytes`, else as `find`.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Can be called twice."""
        ...
