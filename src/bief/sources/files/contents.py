"""From a stored file to its contents on this machine: fetched, unpacked, and identified.

Called by `rounds`. What comes over a network is spooled first, so that a slow network never holds a transaction of
the destination open, and nothing can change while it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.archives import entries_of, entry_pieces
from bief.sources.files.decompression import Swelling, gunzipped, opened_pieces, stream_of, unzstd
from bief.sources.files.formats import NEEDS_PATH, Compression, Format, format_of, packing_of, unpacked_name
from bief.sources.files.options import FileLimits
from bief.sources.files.reading import Content
from bief.sources.files.spooling import Spool
from bief.sources.files.workbooks import require_sound
from bief.storage.stored import Storage, StoredFile

_STEP_BYTES: Final = 1 << 20
_TYPE_ENDINGS: Final = ".csv, .tsv, .json, .jsonl, .ndjson, .parquet, .arrow, .feather, .ipc or .xlsx"


@dataclass(frozen=True)
class Part:
    """One content and its format."""

    content: Content
    format: Format


@dataclass(frozen=True)
class OnDisk:
    """A file whose bytes lie on this machine: which version that is, and how to read it from the beginning."""

    file: StoredFile
    path: Path
    open: Callable[[], BinaryIO]
    size_bytes: int

    def digest(self, until: int | None = None) -> str:
        """The SHA-256 of the content, or of its first bytes."""
        found = hashlib.sha256()
        left = self.size_bytes if until is None else until
        with self.open() as stream:
            while left > 0 and (piece := stream.read(min(_STEP_BYTES, left))):
                found.update(piece)
                left -= len(piece)
        return found.hexdigest()


class Contents:
    """Opens the files of one stream."""

    def __init__(
        self, storage: Storage, spool: Spool, limits: FileLimits, declared: Format | None, compression: Compression
    ) -> None:
        self._storage = storage
        self._spool = spool
        self._limits = limits
        self._format = declared
        self._compression = compression

    @contextmanager
    def on_disk(self, file: StoredFile) -> Iterator[OnDisk]:
        """The file on this machine, as long as the block lasts. Raises SourceError."""
        path = self._storage.local_path(file)
        if path is not None:
            size = file.size_bytes or 0
            if size > self._limits.max_bytes:
                raise _too_large(file, self._limits)
            yield OnDisk(file, path, lambda: self._storage.open(file), size)
            return
        if file.size_bytes is not None and file.size_bytes > self._limits.max_bytes:
            raise _too_large(file, self._limits)
        with self._spool.room() as room:
            copy = room / "fetched"
            fetched = self._storage.fetch(file, copy, self._limits.max_bytes)
            yield OnDisk(fetched, copy, lambda: copy.open("rb"), copy.stat().st_size)

    def require_unchanged(self, file: StoredFile) -> None:
        """Raises SourceChanged if a file of this machine is not any more what it was when it was found."""
        if self._storage.local_path(file) is None:
            return
        now = self._storage.stat(file)
        if now is None or now.stamp != file.stamp:
            raise SourceChanged("The file was changed while it was read.", where=file.name)

    @contextmanager
    def parts(self, file: OnDisk, identity: str) -> Iterator[list[Part]]:
        """What is in the file: one content, or one for each entry of a zip archive. Raises SourceMisread."""
        packing = packing_of(file.file.name, self._compression)
        name = file.file.name
        with ExitStack() as stack:
            if packing == "zip":
                entries = entries_of(file.open, name)
                if not entries:
                    raise SourceMisread("The archive has no file in it.", where=name, do="Have it written again.")
                yield [stack.enter_context(self._entry(file, entry, identity)) for entry in entries]
                return
            kind = self._format_of(unpacked_name(name, packing), name)
            if packing == "none":
                if kind == "excel" and file.size_bytes:
                    require_sound(file.open, self._swelling(file), name)
                yield [Part(Content(name, identity, file.open, file.path, file.size_bytes), kind)]
                return
            decompressed = gunzipped if packing == "gzip" else unzstd
            swelling = self._swelling(file)

            def pieces() -> Iterator[bytes]:
                return swelling.limited(opened_pieces(file.open, decompressed, name), name)

            content = Content(name, identity, lambda: stream_of(pieces))
            yield [stack.enter_context(self._ready(content, kind))]

    @contextmanager
    def _entry(self, file: OnDisk, entry: str, identity: str) -> Iterator[Part]:
        name = f"{file.file.name}/{entry}"
        swelling = self._swelling(file)

        def pieces() -> Iterator[bytes]:
            return swelling.limited(entry_pieces(file.open, file.file.name, entry), name)

        content = Content(name, f"{identity}/{entry}", lambda: stream_of(pieces))
        with self._ready(content, self._format_of(entry, name)) as part:
            yield part

    @contextmanager
    def _ready(self, content: Content, kind: Format) -> Iterator[Part]:
        """The content, decompressed into a file of its own if its format is not read front to back."""
        if kind not in NEEDS_PATH:
            yield Part(content, kind)
            return
        with self._spool.room() as room:
            plain = room / "decompressed"
            with content.open() as stream, plain.open("wb") as copy:
                while piece := stream.read(_STEP_BYTES):
                    copy.write(piece)
            size = plain.stat().st_size
            if kind == "excel" and size:
                swelling = Swelling(size, self._limits.max_bytes, self._limits.max_ratio)
                require_sound(lambda: plain.open("rb"), swelling, content.name)
            yield Part(replace(content, open=lambda: plain.open("rb"), path=plain, size_bytes=size), kind)

    def _swelling(self, file: OnDisk) -> Swelling:
        return Swelling(file.size_bytes, self._limits.max_bytes, self._limits.max_ratio)

    def _format_of(self, inside: str, name: str) -> Format:
        found = self._format or format_of(inside)
        if found is None:
            raise SourceMisread(
                "The format of this file cannot be told from its name.",
                where=name,
                do=f"Declare `format`, or let `files` name only files that end in {_TYPE_ENDINGS}.",
            )
        return found


def _too_large(file: StoredFile, limits: FileLimits) -> SourceMisread:
    return SourceMisread(
        f"The file has {file.size_bytes} bytes; {limits.max_bytes} are allowed.",
        where=file.name,
        do="Raise `limits.max_bytes` of the source.",
    )
