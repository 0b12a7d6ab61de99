"""Files of a web server, fetched by their names: HTTP has no way to list a folder.

Our headers go to the server that `path` names and to no other. A file counts only if all its announced bytes came;
a download that breaks off is taken up where it ended, if the server can do that.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import quote, unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.storage.stored import StoredFile
from bief.storage.web_requests import LATER, NO_HEAD, OK, PARTIAL, Missing, WebAccess, WebRequests

_READ_BYTES: Final = 1 << 20


class WebStorage:
    """One folder of one web server."""

    def __init__(self, access: WebAccess, runtime: Runtime) -> None:
        self._access = access
        self._runtime = runtime
        self._requests = WebRequests(access, runtime)

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        found = [self._asked(name) for name in dict.fromkeys(patterns)]
        return sorted((file for file in found if file is not None), key=lambda file: file.name)

    def stat(self, file: StoredFile) -> StoredFile | None:
        return self._asked(file.name)

    def open(self, file: StoredFile) -> BinaryIO:
        response = self._requests.answer("GET", file.key)
        return cast("BinaryIO", io.BufferedReader(_Body(response, self._requests.explained, file.name), _READ_BYTES))

    def local_path(self, file: StoredFile) -> Path | None:
        return None

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        begun = time.monotonic()
        with to.open("wb") as copy:
            download = _Download(file, copy, max_bytes, deadline=begun + self._access.total_seconds)
            return self._requests.retried(lambda: self._downloaded(download), f"the download of {file.name}")

    def close(self) -> None:
        self._requests.close()

    def _asked(self, name: str) -> StoredFile | None:
        """The file of that name, if the server has it."""
        url = f"{self._access.url.rstrip('/')}/{quote(name)}"

        def ask() -> StoredFile | None:
            try:
                response = self._requests.answer("HEAD", url)
                if response.status in NO_HEAD:
                    response = self._requests.answer("GET", url)
            except Missing:
                return None
            response.close()
            return _stored(name, url, response.headers)

        return self._requests.retried(ask, f"the request for {name}")

    def _downloaded(self, download: _Download) -> StoredFile:
        response = self._requests.answer("GET", download.file.key, download.range_headers())
        try:
            download.begin(response)
            while piece := response.read1(_READ_BYTES, decode_content=False):
                download.add(piece)
                if self._runtime.stop.is_set():
                    raise SourceUnavailable("The run was told to stop.", where=download.file.name)
        except (HTTPError, OSError) as error:
            raise self._requests.explained(error, download.file.name) from None
        finally:
            response.close()
        return download.finished()


@dataclass
class _Download:
    """One file on its way to a local path, over as many connections as it takes."""

    file: StoredFile
    copy: BinaryIO
    max_bytes: int
    deadline: float
    tag: str = ""
    size_bytes: int | None = None

    def range_headers(self) -> dict[str, str]:
        """Asks for the rest, if what is there is sure to belong to the same version."""
        return {"Range": f"bytes={self.copy.tell()}-", "If-Range": self.tag} if self.tag and self.copy.tell() else {}

    def begin(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.headers.get("Content-Encoding", "identity") not in ("", "identity") and not _is_archive(self.file):
            raise SourceMisread("The server sends the file in a coding that was not asked for.", where=self.file.name)
        began = f"bytes {self.copy.tell()}-"
        if response.status == PARTIAL and not response.headers.get("Content-Range", "").startswith(began):
            self.tag = ""
            raise SourceUnavailable("The server sent another part than was asked for.", where=self.file.name, do=LATER)
        if response.status == OK:
            self.copy.seek(0)
            self.copy.truncate()
            self.file = _stored(self.file.name, self.file.key, response.headers)
            self.size_bytes = self.file.size_bytes
            tag = response.headers.get("ETag", "")
            self.tag = "" if tag.startswith("W/") else tag

    def add(self, piece: bytes) -> None:
        self.copy.write(piece)
        if self.copy.tell() > self.max_bytes:
            raise SourceMisread(
                f"The file is larger than {self.max_bytes} bytes.", where=self.file.name, do="Raise `limits.max_bytes`."
            )
        if time.monotonic() > self.deadline:
            # Not worth another try: the whole time is over.
            raise SourceRefused("The download did not end in the time that it has.", where=self.file.name)

    def finished(self) -> StoredFile:
        if self.size_bytes is not None and self.copy.tell() != self.size_bytes:
            self.tag = ""
            raise SourceUnavailable("The file was cut short on its way.", where=self.file.name, do=LATER)
        return self.file


class _Body(io.RawIOBase):
    """The body of an answer as a stream; the errors of the network as ours."""

    def __init__(self, response: urllib3.BaseHTTPResponse, explained: Any, name: str) -> None:
        self._response = response
        self._explained = explained
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._response.read1(len(buffer), decode_content=False)
        except (HTTPError, OSError) as error:
            raise self._explained(error, self._name) from None
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._response.close()
        super().close()


def _stored(name: str, url: str, headers: Mapping[str, str]) -> StoredFile:
    size = headers.get("Content-Length", "")
    modified = _moment(headers.get("Last-Modified", ""))
    tag = headers.get("ETag", "")
    version = tag or (f"{size}-{modified.isoformat()}" if modified else "")
    size_bytes = int(size) if size.isascii() and size.isdigit() else None
    # Moments of the web are whole seconds: two versions can share one, so only a tag is proof.
    return StoredFile(name, url, size_bytes, modified, modified, version, version, is_settled=bool(tag))


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_archive(file: StoredFile) -> bool:
    """Whether servers like to call the file's own compression a coding of the transport."""
    return unquote(urlsplit(file.key).path).lower().endswith((".gz", ".zst"))
