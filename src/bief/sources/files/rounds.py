"""One read of a stream: which files there are, which of them are new, and their rows as batches.

Called by `source`. A file is loaded as a whole: its batches have no position, except the last. Small files are held
back and given together, so that a thousand of them are not a thousand transactions; a file that turns out to be
damaged takes only itself down, not those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bief.base.events import PageRead, StreamSized
from bief.batches.batch import Batch, Position
from bief.errors import SourceError, SourceMisread, SourceRefused
from bief.ports.runtime import Runtime
from bief.sources.files.contents import Contents, OnDisk, Part
from bief.sources.files.finding import Finder
from bief.sources.files.formats import Format, packing_of
from bief.sources.files.joining import joined
from bief.sources.files.json_lines import no_rows
from bief.sources.files.loaded import Entry, Loaded
from bief.sources.files.options import FilesStream
from bief.sources.files.origin_columns import batch_of
from bief.sources.files.reading import FormatReader
from bief.sources.files.tailing import grown_part
from bief.storage.stored import StoredFile

# Held back as long as they take no more memory than one chunk of a large file or two.
_MOST_HELD_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class Surroundings:
    """What a round of a stream needs. `reader` gives the reader of a format for files with such a name."""

    source: str
    stream: str
    options: FilesStream
    finder: Finder
    contents: Contents
    reader: Callable[[Format, str], FormatReader]
    runtime: Runtime
    warn: Callable[[str], None]

    def is_empty(self, part: Part) -> bool:
        """Whether the content has no byte, where that is allowed. Raises SourceMisread where it is not."""
        if part.format == "csv" and self.options.csv.allow_empty:
            return False
        with part.content.open() as stream:
            if stream.read(1):
                return False
        if self.options.if_empty == "fail":
            raise SourceMisread(
                "The file is empty: it has no byte at all.",
                where=part.content.name,
                do="If that is as it should be, declare `if_empty: warn`.",
            )
        self.warn(f"{part.content.name} is empty: it counts as a file without rows.")
        return True


class Round:
    """One round, from the memory that it starts with. Owned by one thread."""

    def __init__(self, around: Surroundings, loaded: Loaded) -> None:
        self._around = around
        self._options = around.options
        self._loaded = loaded
        self._held: list[Batch] = []
        self._held_rows = self._held_bytes = 0

    def batches(self) -> Iterator[Batch]:
        """The rows of all files that are new or changed, in order. Raises SourceError."""
        files = self._around.finder.found()
        self._tell_size([file for file in files if not self._loaded.has(file, self._options.identity)])
        for file in files:
            if self._around.runtime.stop.is_set():
                yield from self._released(complete=False)
                return
            if self._loaded.has(file, self._options.identity):
                continue
            try:
                yield from self._file(file)
            except SourceError:
                # The files before this one are whole: they shall not be lost with it.
                yield from self._released(complete=False)
                raise
        if not self._around.runtime.stop.is_set():
            yield from self._released(complete=True)

    def _tell_size(self, files: Sequence[StoredFile]) -> None:
        """How many bytes there are to read, where that can be told: not of compressed files, nor of those that grow."""
        sizes = [file.size_bytes for file in files if packing_of(file.name, self._options.compression) == "none"]
        if len(sizes) == len(files) and not self._options.tail:
            told = sum(size or 0 for size in sizes)
            self._around.runtime.emit(StreamSized(stream=self._around.stream, bytes=told))

    def _file(self, file: StoredFile) -> Iterator[Batch]:
        contents = self._around.contents
        with contents.on_disk(file) as found:
            if self._options.tail:
                yield from self._grown(found)
                return
            entry = self._entry(found)
            if self._is_loaded(found, entry):
                contents.require_unchanged(found.file)
                self._loaded.add(found.file.name, entry)
                return
            try:
                with contents.parts(found, entry.digest or entry.stamp) as parts:
                    yield from self._rows(found, parts, entry)
            except SourceMisread:
                # Half of an old file and half of a new one: that it changed says more than what is wrong with both.
                contents.require_unchanged(found.file)
                raise

    def _entry(self, found: OnDisk) -> Entry:
        if self._options.identity == "version":
            if not found.file.version:
                raise SourceRefused(
                    "The server tells neither ETag nor Last-Modified, so that versions cannot be told apart.",
                    where=found.file.name,
                    do="Declare `identity: content`.",
                )
            return Entry(found.file.version, "")
        return Entry(found.file.stamp if found.file.is_settled else "", found.digest())

    def _is_loaded(self, found: OnDisk, entry: Entry) -> bool:
        """Whether this very content was loaded before. Tells what is worth telling."""
        name, known = found.file.name, self._loaded.entry(found.file.name)
        if known is not None and known.digest == entry.digest != "":
            return True
        twin = self._loaded.twin(entry.digest)
        if twin is not None:
            self._around.warn(f"{name} has the same content as {twin}, which was loaded: it is left out.")
            return True
        if known is not None:
            self._around.warn(f"{name} has changed since it was loaded: it is loaded again as a whole.")
        return False

    def _grown(self, found: OnDisk) -> Iterator[Batch]:
        """What was added to a file since it was loaded, up to the end of its last whole line."""
        if packing_of(found.file.name, self._options.compression) != "none":
            raise SourceMisread(
                "A compressed file does not grow at its end.", where=found.file.name, do="Leave `tail` out."
            )
        part = grown_part(found, self._loaded.entry(found.file.name))
        if part.was_replaced:
            self._around.warn(f"{found.file.name} does not begin as it did: it is loaded again as a whole.")
        if part.content is None:
            self._loaded.add(found.file.name, part.entry)
            return
        # More may have been added by now: only a shorter file, or another one, would be a surprise.
        yield from self._rows(found, [Part(part.content, "jsonl")], part.entry)

    def _rows(self, found: OnDisk, parts: list[Part], entry: Entry) -> Iterator[Batch]:
        """The batches of one file: held back while they are few, else given one after the other."""
        filled = [part for part in parts if not self._around.is_empty(part)]
        batches = (batch for part in filled for batch in self._batches(found.file, part))
        first, second = next(batches, None), next(batches, None)
        if second is None:
            self._require_unchanged(found)
            self._loaded.add(found.file.name, entry)
            if first is not None:
                yield from self._hold(first)
            return
        yield from self._released(complete=False)
        previous = first
        current: Batch | None = second
        while current is not None and previous is not None:
            yield previous
            if self._around.runtime.stop.is_set():
                return
            previous, current = current, next(batches, None)
        self._require_unchanged(found)
        self._loaded.add(found.file.name, entry)
        if previous is not None:
            yield replace(previous, position=self._position(complete=False))

    def _hold(self, batch: Batch) -> Iterator[Batch]:
        """Hold a whole file back; give all that is held once it is enough."""
        self._held.append(batch)
        self._held_rows += batch.read
        self._held_bytes += batch.rows.nbytes
        if self._held_rows >= self._options.batch_rows or self._held_bytes >= _MOST_HELD_BYTES:
            yield from self._released(complete=False)

    def _require_unchanged(self, found: OnDisk) -> None:
        if not self._options.tail:
            self._around.contents.require_unchanged(found.file)

    def _batches(self, file: StoredFile, part: Part) -> Iterator[Batch]:
        around = self._around
        clock = around.runtime.clock
        reader = around.reader(part.format, part.content.name)
        began = clock.monotonic()
        for chunk in reader.chunks(part.content):
            now = clock.monotonic()
            rows = chunk.rows.num_rows + len(chunk.rejected)
            around.runtime.emit(
                PageRead(
                    source=around.source, stream=around.stream, rows=rows, bytes=chunk.size_bytes, seconds=now - began
                )
            )
            yield batch_of(chunk, part.content.name, part.format, file, self._options.add)
            began = clock.monotonic()

    def _released(self, *, complete: bool) -> Iterator[Batch]:
        """The batches held back, the last of them with the position; at the end of the round there is always one."""
        held, self._held, self._held_rows, self._held_bytes = self._held, [], 0, 0
        if not held and complete:
            yield Batch(rows=no_rows(), position=self._position(complete=True))
        batches = joined(held)
        yield from batches[:-1]
        for batch in batches[-1:]:
            yield replace(batch, position=self._position(complete=complete))

    def _position(self, *, complete: bool) -> Position:
        return Position(self._loaded.written(), complete=complete)
