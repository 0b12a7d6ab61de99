"""Files as a source. Found by `ports.registry`, read by `bief.run`.

The road of a read: `finding` (which files) → `rounds` (which are new, file by file) → `contents` (fetched, unpacked)
→ a reader of the format (`reading.FormatReader`) → batches.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from bief.base.events import SourceWarned
from bief.base.names import column_name
from bief.batches.batch import Batch, Position
from bief.config.closed import secrets_in
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.sources.files.arrow_ipc import ArrowReader
from bief.sources.files.contents import Contents
from bief.sources.files.csv.reader import CsvReader
from bief.sources.files.excel import ExcelReader
from bief.sources.files.finding import Finder
from bief.sources.files.formats import Format, ending_is_tab
from bief.sources.files.json_documents import JsonDocumentReader
from bief.sources.files.json_lines import JsonLinesReader
from bief.sources.files.loaded import Loaded
from bief.sources.files.options import FilesOptions, FilesStream
from bief.sources.files.parquet import ParquetReader
from bief.sources.files.places import storage_of
from bief.sources.files.reading import FormatReader
from bief.sources.files.rounds import Round, Surroundings
from bief.sources.files.sampling import sampled
from bief.sources.files.spooling import Spool
from bief.storage.recording import RecordedStorage

_SPOOL_FOLDER = ".bief/spool"


class FilesSource:
    """The files of one folder. Its methods may be called from several threads."""

    Options: ClassVar[type[FilesOptions]] = FilesOptions
    kind: ClassVar[str] = "files"
    passes_raw: ClassVar[bool] = True

    def __init__(self, name: str, options: FilesOptions, runtime: Runtime) -> None:
        for secret in secrets_in(options):
            runtime.redactor.learn(secret)
        self._name = name
        self._options = options
        self._runtime = runtime
        self._storage = storage_of(options, runtime)
        self._spool = Spool(runtime.folder / _SPOOL_FOLDER)
        self._readers: dict[tuple[str, Format, bool], FormatReader] = {}
        self._lock = threading.Lock()

    def streams(self) -> Sequence[Stream]:
        return [_stream(name, declared) for name, declared in self._options.streams.items()]

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        declared = self._options.streams[stream]
        goes_on = since is not None and (declared.incremental or not since.complete)
        loaded = Loaded.read(since.value if since is not None and goes_on else {})
        return Round(self._around(stream), loaded).batches()

    def sample(self, stream: str, rows: int) -> Batch:
        return sampled(self._around(stream), self._storage, rows)

    def check(self) -> None:
        for name in self._options.streams:
            self._around(name).finder.found()

    def close(self) -> None:
        self._storage.close()

    def _around(self, stream: str) -> Surroundings:
        declared = self._options.streams[stream]
        track = self._runtime.raw.track(self._name, stream)
        storage = self._storage if track is None else RecordedStorage(self._storage, track)

        def warn(message: str) -> None:
            self._runtime.emit(SourceWarned(source=self._name, stream=stream, message=message))

        return Surroundings(
            source=self._name,
            stream=stream,
            options=declared,
            finder=Finder(storage, declared, f"{self._name}: {self._options.path}", self._runtime, warn),
            contents=Contents(storage, self._spool, self._options.limits, declared.format, declared.compression),
            reader=lambda kind, name: self._reader(stream, kind, has_tabs=ending_is_tab(name)),
            runtime=self._runtime,
            warn=warn,
        )

    def _reader(self, stream: str, kind: Format, *, has_tabs: bool) -> FormatReader:
        """The reader of a format for one stream: always the same one, as it learns from what it reads."""
        with self._lock:
            key = (stream, kind, has_tabs)
            if key not in self._readers:
                self._readers[key] = self._new_reader(stream, kind, has_tabs=has_tabs)
            return self._readers[key]

    def _new_reader(self, stream: str, kind: Format, *, has_tabs: bool) -> FormatReader:
        declared = self._options.streams[stream]
        types = declared.shape().reader_types()

        def warn(message: str) -> None:
            self._runtime.emit(SourceWarned(source=self._name, stream=stream, message=message))

        match kind:
            case "csv":
                is_told = not has_tabs or declared.csv.delimiter is not None
                options = declared.csv if is_told else declared.csv.model_copy(update={"delimiter": "\t"})
                return CsvReader(options, types, warn)
            case "json":
                return JsonDocumentReader(declared.json_, types)
            case "jsonl":
                return JsonLinesReader(types)
            case "parquet":
                return ParquetReader()
            case "arrow":
                return ArrowReader()
            case "excel":
                return ExcelReader(declared.excel)


def _stream(name: str, declared: FilesStream) -> Stream:
    return Stream(
        name=name,
        primary_key=tuple(_table_name(declared, key) for key in declared.primary_key),
        incremental=declared.incremental,
        overlaps=False,
        shape=declared.shape(),
        caveats=_caveats(declared),
    )


def _table_name(declared: FilesStream, field: str) -> str:
    """The column of a field, after renaming."""
    column = column_name("__".join(field.split(".")))
    rule = declared.columns.get(column)
    return rule.rename if rule is not None and rule.rename else column


def _caveats(declared: FilesStream) -> tuple[str, ...]:
    if declared.incremental and not declared.primary_key and not declared.tail:
        return ("the rows of a file that changes are loaded again, and no primary key tells them apart",)
    return ()
