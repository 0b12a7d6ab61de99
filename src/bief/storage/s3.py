"""Objects of a store that speaks S3, through Arrow's own client (in every wheel of pyarrow).

The store is asked by path (`https://host/bucket/key`) where an endpoint is given, as private stores want it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast
from urllib.parse import urlsplit

import pyarrow.fs

from bief.base.retries import Patience, retried
from bief.base.secrets import Secret
from bief.errors import SourceError, SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.storage.globs import fixed_folder, is_plain, matcher
from bief.storage.stored import StoredFile

Result = TypeVar("Result")
# Each read is a request of its own: large ones, or the way there and back costs more than the bytes.
_READ_BYTES: Final = 16 << 20
# The store tells whole seconds, by its own clock: two versions can share one.
_SETTLED_AFTER: Final = timedelta(seconds=60)
_REFUSALS: Final = (
    ("NO_SUCH_BUCKET", "there is no such bucket"),
    ("ACCESS_DENIED", "access is denied"),
    ("INVALID_ACCESS_KEY_ID", "the access key is unknown"),
    ("SIGNATURE_DOES_NOT_MATCH", "the secret key does not fit the access key"),
    ("HTTP response code 403", "access is denied"),
    ("HTTP response code 301", "the bucket lies in another region"),
)
_S3: Final[Any] = pyarrow.fs


@dataclass(frozen=True)
class S3Access:
    """A folder of a bucket (`bucket/prefix`) and the way to it. Without keys, those of the environment are used."""

    folder: str
    endpoint: str = ""
    region: str = ""
    access_key: Secret | None = None
    secret_key: Secret | None = None
    connect_seconds: float = 10
    read_seconds: float = 60
    attempts: int = 5


class S3Storage:
    """One folder of one bucket."""

    def __init__(self, access: S3Access, runtime: Runtime) -> None:
        self._access = access
        self._folder = access.folder.strip("/")
        self._runtime = runtime
        self._opened: Any = None

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        found: dict[str, StoredFile] = {}
        for pattern in patterns:
            for info in self._listed(pattern):
                file = self._stored(info)
                found[file.name] = file
        return [found[name] for name in sorted(found)]

    def stat(self, file: StoredFile) -> StoredFile | None:
        (info,) = self._asked(lambda: self._store.get_file_info([file.key]), file.name)
        return self._stored(info) if info.type == _S3.FileType.File else None

    def open(self, file: StoredFile) -> BinaryIO:
        stream = self._asked(lambda: self._store.open_input_stream(file.key, compression=None), file.name)
        return cast("BinaryIO", io.BufferedReader(_Object(stream, file.name), _READ_BYTES))

    def local_path(self, file: StoredFile) -> Path | None:
        return None

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        return self._asked(lambda: self._fetched(file, to, max_bytes), file.name)

    def close(self) -> None:
        self._opened = None

    @property
    def _store(self) -> Any:
        if self._opened is None:
            access, endpoint = self._access, urlsplit(self._access.endpoint)
            words: dict[str, Any] = {"scheme": "https"}
            if access.endpoint:
                words = {"scheme": endpoint.scheme, "endpoint_override": endpoint.netloc + endpoint.path}
            if access.access_key is not None and access.secret_key is not None:
                words |= {"access_key": access.access_key.reveal(), "secret_key": access.secret_key.reveal()}
            if access.region or access.endpoint:
                words["region"] = access.region or "us-east-1"
            self._opened = _S3.S3FileSystem(
                **words,
                connect_timeout=access.connect_seconds,
                request_timeout=access.read_seconds,
                # Waiting and trying again is told to the user, and ends when the run does: it is done here.
                retry_strategy=_S3.AwsStandardS3RetryStrategy(max_attempts=1),
            )
        return self._opened

    def _listed(self, pattern: str) -> list[Any]:
        whole = f"{self._folder}/{pattern}"
        if is_plain(pattern):
            infos = self._asked(lambda: self._store.get_file_info([whole]), pattern)
            return [info for info in infos if info.type == _S3.FileType.File]
        inside = fixed_folder(pattern)
        folder = f"{self._folder}/{inside}" if inside else self._folder
        is_deep = "/" in pattern.removeprefix(inside).strip("/") or "**" in pattern
        selector = _S3.FileSelector(folder, recursive=is_deep, allow_not_found=True)
        matches = matcher(pattern)
        infos = self._asked(lambda: self._store.get_file_info(selector), folder)
        return [info for info in infos if info.type == _S3.FileType.File and matches(self._name(info.path))]

    def _name(self, key: str) -> str:
        return key[len(self._folder) + 1 :]

    def _stored(self, info: Any) -> StoredFile:
        version = f"{info.size}-{info.mtime_ns}"
        settled = self._runtime.clock.now() - info.mtime > _SETTLED_AFTER
        name = self._name(info.path)
        return StoredFile(name, info.path, info.size, info.mtime, info.mtime, version, version, is_settled=settled)

    def _fetched(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        """Each part is a request of its own: the tag before and after tells whether they belong together."""
        current = self._stored(self._store.get_file_info([file.key])[0])
        if current.size_bytes is None:
            raise SourceRefused("The object is gone.", where=file.name)
        if current.size_bytes > max_bytes:
            raise SourceMisread(f"The file is larger than {max_bytes} bytes.", where=file.name)
        with to.open("wb") as copy, self._store.open_input_stream(file.key, compression=None) as stream:
            tag = _tag(stream)
            while piece := stream.read(_READ_BYTES):
                copy.write(piece)
                if self._runtime.stop.is_set():
                    raise SourceUnavailable("The run was told to stop.", where=file.name)
            size = copy.tell()
        with self._store.open_input_stream(file.key, compression=None) as again:
            same = _tag(again) == tag
        if not same or size != current.size_bytes:
            raise SourceUnavailable("The object was replaced while it was read.", where=file.name)
        return current

    def _asked(self, work: Callable[[], Result], name: str) -> Result:
        def once() -> Result:
            problem: SourceError
            try:
                return work()
            except SourceError:
                raise
            except OSError as error:
                problem = _explained(error, name)
            raise problem

        patience = Patience(attempts=self._access.attempts)
        return retried(once, what=f"S3: {name}", emit=self._runtime.emit, stop=self._runtime.stop, patience=patience)


class _Object(io.RawIOBase):
    """An object as a stream; the errors of the store as ours."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._stream.read(len(buffer))
        except OSError as error:
            raise _explained(error, self._name) from None
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _tag(stream: Any) -> Any:
    return (stream.metadata() or {}).get("ETag")


def _explained(error: OSError, name: str) -> SourceError:
    text = str(error)
    for sign, words in _REFUSALS:
        if sign in text:
            return SourceRefused(
                f"The store refuses: {words}.", where=name, do="Check `path`, `endpoint`, `region` and the keys."
            )
    if isinstance(error, FileNotFoundError):
        return SourceRefused("There is no such object.", where=name, do="Check `path` and `files`.")
    detail = text.rpartition("Detail: ")[2] or text
    return SourceUnavailable(
        f"The store did not answer: {detail[:200].strip()}.",
        where=name,
        do="Bief tries again by itself; if it stays, check `endpoint` and the network.",
    )
