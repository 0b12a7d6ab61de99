"""What the project file says about a files source. Read by `FilesSource`, validated by `bief check`."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bief.base.secrets import Secret
from bief.config.closed import Closed
from bief.config.streams import StreamOptions
from bief.sources.files.csv.options import CsvOptions
from bief.sources.files.excel_options import ExcelOptions
from bief.sources.files.formats import Compression, Format, format_of, packing_of, unpacked_name
from bief.sources.files.json_options import JsonOptions
from bief.storage.globs import is_plain, problem_of

_WEB: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s?#]*)?", re.IGNORECASE)
_S3: Final = re.compile(r"s3://[^\s/@?#]+(/[^?#]*)?")
_ENDPOINT: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", re.IGNORECASE)
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def _path(value: str) -> str:
    if not value.strip() or "\x00" in value:
        raise ValueError("must name a folder")
    scheme = value.partition("://")[0].lower() if "://" in value else ""
    if scheme in ("http", "https") and not _WEB.fullmatch(value):
        raise ValueError("looks like https://example.com/exports, without user, password and query (see `headers`)")
    if scheme == "s3" and not _S3.fullmatch(value):
        raise ValueError("looks like s3://bucket/folder")
    if scheme not in ("", "http", "https", "s3"):
        raise ValueError("must be a folder of this machine, https://…, http://… or s3://…")
    return value


def _endpoint(value: str) -> str:
    if value and not _ENDPOINT.fullmatch(value):
        raise ValueError("looks like https://storage.example.com:9000, without user and password")
    return value.rstrip("/")


def _pattern(value: str) -> str:
    problem = problem_of(value)
    if problem:
        raise ValueError(problem)
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError("must be the name of a header")
    return value


def _column(value: str) -> str:
    if not _COLUMN.fullmatch(value) or value.startswith("_bief_"):
        raise ValueError("must be the name of a column: letters, digits or '_', no digit first, not _bief_…")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


ColumnName = Annotated[str, AfterValidator(_column)]


class AddedColumns(Closed):
    """Columns that say where a row came from."""

    file: ColumnName | None = Field(default=None, examples=["_file"])
    """The column that gets the name of the file, with its folders below `path`."""
    modified: ColumnName | None = Field(default=None, examples=["_file_modified"])
    """The column that gets the moment at which the file was last modified."""


class FileLimits(Closed):
    """How large files may become."""

    max_bytes: int = Field(default=64 << 30, gt=0, examples=[1073741824])
    """The largest size of one file, before and after decompression."""
    max_ratio: int = Field(default=200, ge=2, examples=[1000])
    """How many times its size a file of more than 16 MiB may grow when it is decompressed. Honest data rarely grows
    more than 50 times; a zip bomb a million times."""


class FilesStream(StreamOptions):
    """Files with rows of the same kind."""

    files: Annotated[
        list[Annotated[str, AfterValidator(_pattern)]], BeforeValidator(_listed, json_schema_input_type=str | list[str])
    ] = Field(min_length=1, examples=["orders-*.csv", "**/*.parquet", ["2024.csv", "2025.csv"]])
    """Which files: a name, a pattern or a list of them, below `path`. `*` and `?` stand for characters of a name,
    `**` for any number of folders. Files that begin with a dot match only a pattern that does, too."""
    format: Format | None = Field(default=None, examples=["csv"])
    """What is in the files; by the ending of their names if it is not given."""
    compression: Compression = "auto"
    """How they are compressed; `auto` goes by the ending: `.gz`, `.zst`, `.zip`."""
    csv: CsvOptions = CsvOptions()
    """How CSV files are written."""
    json_: JsonOptions = Field(default=JsonOptions(), alias="json")
    """Where the records of JSON documents are."""
    excel: ExcelOptions = ExcelOptions()
    """Where the rows of Excel files are."""
    incremental: bool = True
    """Read only files that are new or changed since the last run. A file that changed is read again as a whole. In
    mode `replace` all files are read in each run, whatever this says."""
    identity: Literal["content", "version"] = "content"
    """What makes a file the same one. `content`: its SHA-256, so that a copy under another name is not loaded twice.
    `version`: its name together with its ETag, or with its size and time."""
    order: Literal["name", "modified"] = "name"
    """In which order files are loaded. In mode `merge`, rows of later files replace those of earlier ones."""
    if_missing: Literal["fail", "warn"] = "fail"
    """What happens when there is no such file."""
    if_empty: Literal["fail", "warn"] = "fail"
    """What happens when a file has no byte at all: more often a broken export than one without rows."""
    settle_seconds: float = Field(default=0, ge=0, le=3600, examples=[10])
    """A file that was changed less than so many seconds ago may still be being written: it is waited for."""
    tail: bool = False
    """Files of JSON lines that grow at their end: a last line without its end waits for the next run, and the next
    run reads on where this one ended."""
    add: AddedColumns = Field(default=AddedColumns(), examples=[{"file": "_file"}])
    """Columns that say where a row came from."""
    batch_rows: int = Field(default=20_000, ge=1, le=10_000_000, examples=[1])
    """Small files are loaded together until they have so many rows. A file is always loaded as a whole."""

    @model_validator(mode="after")
    def _fits_together(self) -> FilesStream:
        for pattern in self.files:
            packing = packing_of(pattern, self.compression)
            is_told = packing == "zip" or format_of(unpacked_name(pattern, packing)) is not None
            if self.format is None and is_plain(pattern) and not is_told:
                problem = f"the format of `{pattern}` cannot be told from its name: declare `format`"
                raise PydanticCustomError("format", "{problem}", {"problem": problem})
        if self.tail and (self.format or "jsonl") != "jsonl":
            raise PydanticCustomError("tail", "`tail` is for JSON lines (`format: jsonl`)")
        if self.tail and self.identity == "version":
            raise PydanticCustomError("tail", "`tail` needs `identity: content`: it compares what was read before")
        return self


class FilesOptions(Closed):
    """Files of a folder, a web server or an S3-compatible store."""

    type: Literal["files"] = "files"
    """The kind of this source."""
    path: Annotated[str, AfterValidator(_path)] = Field(
        default=".", examples=["data/", "s3://bucket/exports", "https://example.com/exports"]
    )
    """The folder that all files are below: of this machine (from the project folder), of a bucket, or of a web
    server."""
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(default="", examples=["https://storage.example.com"])
    """The address of an S3-compatible store; Amazon's own if it is not given."""
    region: str = Field(default="", examples=["eu-west-3"])
    """The region of the bucket."""
    access_key: Secret | None = Field(default=None, examples=["${S3_ACCESS_KEY}"])
    """The access key for S3. Without it, the variables and files that Amazon's tools know are used."""
    secret_key: Secret | None = Field(default=None, examples=["${S3_SECRET_KEY}"])
    """The secret that belongs to `access_key`."""
    headers: dict[Annotated[str, AfterValidator(_header)], Secret] = Field(
        default={}, examples=[{"Authorization": "Bearer ${EXPORT_TOKEN}"}]
    )
    """Headers for the web server of `path`, and for no other that it may send us on to."""
    limits: FileLimits = FileLimits()
    """How large files may become."""
    streams: dict[str, FilesStream] = Field(min_length=1, examples=[{"orders": {"files": "orders-*.csv"}}])
    """The files to read, by name of the stream."""

    @model_validator(mode="after")
    def _fits_the_place(self) -> FilesOptions:
        problem = self._problem()
        if problem:
            raise PydanticCustomError("path", "{problem}", {"problem": problem})
        return self

    def _problem(self) -> str:
        is_web = "://" in self.path and not self.path.startswith("s3://")
        if not self.path.startswith("s3://") and (self.endpoint or self.region or self.access_key or self.secret_key):
            return "`endpoint`, `region`, `access_key` and `secret_key` are for a `path` that begins with s3://"
        if (self.access_key is None) != (self.secret_key is None):
            return "`access_key` and `secret_key` belong together"
        if self.headers and not is_web:
            return "`headers` are for a `path` that begins with https:// or http://"
        if any("\r" in value.reveal() or "\n" in value.reveal() for value in self.headers.values()):
            return "a header must stand on one line"
        patterns = [pattern for stream in self.streams.values() for pattern in stream.files if not is_plain(pattern)]
        if is_web and patterns:
            return f"a web server does not list its files: name each of them instead of `{patterns[0]}`"
        return ""
