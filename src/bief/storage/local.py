"""Files of this machine, below one folder and nowhere else: no device, no pipe, no link that leads out of it."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

from bief.base.clock import Clock
from bief.errors import SourceMisread, SourceRefused
from bief.storage.globs import ANY_FOLDERS, is_plain, part_matcher
from bief.storage.stored import StoredFile

# Files there have no size and no moment of change, and give another content at each reading.
_NO_FILES: Final = (Path("/proc"), Path("/sys"))
# Two changes within one tick of the file system's clock leave the same moment behind.
_SETTLED_AFTER: Final = timedelta(seconds=2)
_KINDS: Final = (
    (modes.S_ISDIR, "a folder"),
    (modes.S_ISFIFO, "a named pipe"),
    (modes.S_ISSOCK, "a socket"),
    (modes.S_ISCHR, "a device"),
    (modes.S_ISBLK, "a device"),
)


class LocalStorage:
    """One folder."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        if not self._root.is_dir():
            kind = "not a folder" if self._root.exists() else "not there"
            raise SourceRefused(
                "The folder cannot be read: it is " + kind + ".", where=str(self._root), do="Check `path`."
            )
        keys = {key for pattern in patterns for key in self._matching(self._root, pattern.split("/"))}
        found = [self._stat(os.path.relpath(key, self._root)) for key in keys]
        return sorted((file for file in found if file is not None), key=lambda file: file.name)

    def stat(self, file: StoredFile) -> StoredFile | None:
        return self._stat(file.key)

    def open(self, file: StoredFile) -> BinaryIO:
        path = self._resolved(file.key)
        try:
            # Not blocking: whoever puts a pipe in the place of the file must not hold us up.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            raise _refused(error, file.name) from None
        stream = cast("BinaryIO", os.fdopen(descriptor, "rb"))
        try:
            _require_regular(os.fstat(descriptor), file.name)
        except SourceRefused:
            stream.close()
            raise
        return stream

    def local_path(self, file: StoredFile) -> Path | None:
        return self._resolved(file.key)

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        with self.open(file) as stream, to.open("wb") as copy:
            while piece := stream.read(1 << 20):
                copy.write(piece)
                if copy.tell() > max_bytes:
                    raise SourceMisread(f"The file is larger than {max_bytes} bytes.", where=file.name)
        return file

    def close(self) -> None:
        """Nothing is held."""

    def _matching(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """The paths below `folder` that match the parts of a pattern, folders left out where a wildcard found them."""
        head, *rest = parts
        if head == ANY_FOLDERS:
            yield from self._matching(folder, rest or ["*"])
            for entry in _folders(folder, lambda name: not name.startswith(".")):
                yield from self._matching(entry, parts)
        elif is_plain(head):
            path = folder / head
            if rest:
                yield from self._matching(path, rest) if path.is_dir() else ()
            elif os.path.lexists(path):
                yield path
        elif rest:
            for entry in _folders(folder, part_matcher(head)):
                yield from self._matching(entry, rest)
        else:
            matches = part_matcher(head)
            yield from (Path(entry.path) for entry in _entries(folder) if matches(entry.name) and not entry.is_dir())

    def _resolved(self, key: str) -> Path:
        """Where the file really is. Raises SourceRefused outside of the root."""
        root = Path(os.path.realpath(self._root))
        path = Path(os.path.realpath(root / key))
        if not path.is_relative_to(root):
            raise SourceRefused(
                "The file is a link that leads out of the folder of this source.",
                where=_shown(key),
                do="Put the file itself there, or let `path` name the folder that the link leads to.",
            )
        return path

    def _stat(self, key: str) -> StoredFile | None:
        path = self._resolved(key)
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(error, _shown(key)) from None
        _require_regular(found, _shown(key))
        touched = datetime.fromtimestamp(max(found.st_mtime, found.st_ctime), UTC)
        version = f"{found.st_size}-{found.st_mtime_ns}"
        return StoredFile(
            name=_shown(key.replace(os.sep, "/")),
            key=key,
            size_bytes=found.st_size,
            modified=_moment(found.st_mtime_ns),
            touched=touched,
            version=version,
            stamp=f"{version}-{found.st_ctime_ns}-{found.st_ino}",
            is_settled=self._clock.now() - touched > _SETTLED_AFTER,
        )


def _folders(folder: Path, matches: Callable[[str], bool]) -> Iterator[Path]:
    """The folders in a folder, without links: those could lead in circles."""
    for entry in _entries(folder):
        if matches(entry.name) and entry.is_dir(follow_symlinks=False):
            yield folder / entry.name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _refused(error, _shown(str(folder))) from None


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC) + timedelta(
        microseconds=nanoseconds % 1_000_000_000 // 1000
    )


def _require_regular(found: os.stat_result, name: str) -> None:
    kind = next((words for is_kind, words in _KINDS if is_kind(found.st_mode)), "")
    if not kind and found.st_dev in _devices_without_files():
        kind = "a view of the operating system"
    if kind:
        raise SourceRefused(
            f"This is {kind} and not a file.", where=name, do="Let `files` name files, or a pattern such as *.csv."
        )


def _devices_without_files() -> set[int]:
    return {folder.stat().st_dev for folder in _NO_FILES if folder.is_dir()}


def _refused(error: OSError, name: str) -> SourceRefused:
    reason = error.strerror or type(error).__name__
    return SourceRefused(f"The file cannot be read: {reason}.", where=name, do="Check the permissions and `path`.")


def _shown(key: str) -> str:
    """A name as text: bytes that are no UTF-8 are written out (`\\xff`), as no database could hold them."""
    return os.fsencode(key).decode("utf-8", "backslashreplace")
