"""Zip archives: which entries they have, and each of them as a stream.

The archive is looked through before anything is read: names that lead elsewhere, links, devices, two entries of one
name, encryption and archives inside the archive are errors, since whoever writes such things wants something else
than to hand on data.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO, Final

from bief.errors import SourceMisread
from bief.sources.files.decompression import damaged
from bief.sources.files.formats import PACKINGS

_STEP_BYTES: Final = 1 << 20
_UNPACK: Final = "Unpack it, and let `files` name what was in it."
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
_ZIP_MAGIC: Final = b"PK\x03\x04"
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, ValueError)


def entries_of(opening: Callable[[], BinaryIO], name: str, max_entries: int = 100_000) -> list[str]:
    """The names of the files in an archive, in their order. Raises SourceMisread."""
    try:
        with closing(opening()) as stored, zipfile.ZipFile(stored) as archive:
            infos = archive.infolist()
    except RuntimeError as error:
        raise damaged("zip", name, str(error)) from None
    except _BROKEN as error:
        raise damaged("zip", name, str(error) or type(error).__name__) from None
    if len(infos) > max_entries:
        raise SourceMisread(f"The archive has more than {max_entries} entries.", where=name, do=_UNPACK)
    names = set[str]()
    for info in infos:
        problem = _problem(info) or ("stands in the archive twice" if info.filename in names else "")
        if problem:
            raise SourceMisread(
                f"The entry {info.filename[:200]!r} {problem}.", where=name, do="Nothing of it was loaded."
            )
        names.add(info.filename)
    return sorted(info.filename for info in infos if not info.is_dir() and not _is_hidden(info.filename))


def entry_pieces(opening: Callable[[], BinaryIO], archive_name: str, entry: str) -> Iterator[bytes]:
    """The content of one entry. Raises SourceMisread where it is damaged, or an archive itself."""
    name = f"{archive_name}/{entry}"
    try:
        with closing(opening()) as stored, zipfile.ZipFile(stored) as archive, archive.open(entry) as inside:
            head = True
            while piece := inside.read(_STEP_BYTES):
                if head and piece.startswith(_ZIP_MAGIC) and not entry.lower().endswith(".xlsx"):
                    raise SourceMisread("This is an archive inside an archive.", where=name, do=_UNPACK)
                head = False
                yield piece
    except RuntimeError as error:
        raise damaged("zip", name, str(error)) from None
    except _BROKEN as error:
        raise damaged("zip", name, str(error) or type(error).__name__) from None


def _problem(info: zipfile.ZipInfo) -> str:
    """What is wrong with an entry, or nothing."""
    # The library cuts names at a NUL character and turns backslashes where they separate folders.
    written = info.orig_filename.replace("\\", "/")
    parts = written.split("/")
    if written.startswith("/") or ".." in parts or ":" in parts[0] or "\x00" in written:
        return "has a name that leads out of the archive"
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device and not a file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted, which Bief cannot read"
    if any(info.filename.lower().endswith(ending) for ending in PACKINGS):
        return "is an archive inside an archive"
    return ""


def _is_hidden(entry: str) -> bool:
    """Hidden files, and the twins in which macOS keeps its own notes."""
    return any(part.startswith(".") or part == "__MACOSX" for part in entry.split("/"))
