"""What was loaded already: the memory of a stream, which its positions carry.

The JSON form is `{"files": {name: [stamp, sha256]}}`, for a file that grows `[stamp, sha256, bytes, lines]` of the part
that was loaded. `stamp` is empty where it must not be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from bief.storage.stored import StoredFile


@dataclass(frozen=True)
class Entry:
    """One file as it was loaded. `size_bytes` and `lines` are those of the loaded part of a file that grows."""

    stamp: str
    digest: str
    size_bytes: int = 0
    lines: int = 0

    def written(self) -> list[Any]:
        return [self.stamp, self.digest, *([self.size_bytes, self.lines] if self.size_bytes else [])]


class Loaded:
    """The files of one stream that were loaded. Owned by one read."""

    def __init__(self, files: Mapping[str, Entry]) -> None:
        self._files = dict(files)
        self._names = {entry.digest: name for name, entry in self._files.items() if entry.digest}

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """From the value of a position."""
        return cls({name: Entry(*entry) for name, entry in value.get("files", {}).items()})

    def written(self) -> dict[str, Any]:
        """The value of a position."""
        return {"files": {name: entry.written() for name, entry in self._files.items()}}

    def entry(self, name: str) -> Entry | None:
        return self._files.get(name)

    def has(self, file: StoredFile, identity: Literal["content", "version"]) -> bool:
        """Whether it is sure, without reading the file, that this content was loaded."""
        known = self._files.get(file.name)
        stamp = file.version if identity == "version" else file.stamp
        return known is not None and bool(stamp) and known.stamp == stamp

    def twin(self, digest: str) -> str | None:
        """The name of a file with the same content that was loaded."""
        return self._names.get(digest)

    def add(self, name: str, entry: Entry) -> None:
        old = self._files.get(name)
        if old is not None and self._names.get(old.digest) == name:
            del self._names[old.digest]
        self._files[name] = entry
        if entry.digest:
            self._names.setdefault(entry.digest, name)
