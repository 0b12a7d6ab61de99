"""Files of a web server, fetched by their names: HTTP has no way to list a folder.

Our headers go to the server that `path` names and to no other. A file counts only if all its announced bytes came;
a download that breaks off is taken up where it ended, if the server can do that.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProxyError
from urllib3.util import make_headers, parse_url

from bief.base.network import certificate_problem, proxy_for, reason_of, trusted_authorities
from bief.base.retries import Patience, retried
from bief.base.secrets import Secret
from bief.errors import SourceError, SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.storage.stored import StoredFile

Result = TypeVar("Result")
_READ_BYTES: Final = 1 << 20
_MOST_REDIRECTS: Final = 5
_LATER: Final = "Bief tries again by itself; if it stays, check the network and the server."
_CHECK_PATH: Final = "Check `path` and `files`."
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK, _PARTIAL, _GONE, _TOO_MANY, _SERVER_FAULT = 200, 206, 410, 429, 500
_NOT_FOUND: Final = 404
_NO_HEAD: Final = frozenset({405, 501})


@dataclass(frozen=True)
class WebAccess:
    """How files are asked for. `headers` may hold credentials; `seconds` bound one download, however it trickles."""

    url: str
    headers: Mapping[str, Secret] = field(default_factory=dict)
    connect_seconds: float = 10
    read_seconds: float = 60
    total_seconds: float = 6 * 3600
    attempts: int = 5


class WebStorage:
    """One folder of one web server."""

    def __init__(self, access: WebAccess, runtime: Runtime) -> None:
        self._access = access
        self._runtime = runtime
        self._pools: dict[str, urllib3.PoolManager] = {}

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        found = [self._asked(name) for name in dict.fromkeys(patterns)]
        return sorted((file for file in found if file is not None), key=lambda file: file.name)

    def stat(self, file: StoredFile) -> StoredFile | None:
        return self._asked(file.name)

    def open(self, file: StoredFile) -> BinaryIO:
        response = self._answer("GET", file.key)
        return cast("BinaryIO", io.BufferedReader(_Body(response, self._explained, file.name), _READ_BYTES))

    def local_path(self, file: StoredFile) -> Path | None:
        return None

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        begun = time.monotonic()
        with to.open("wb") as copy:
            download = _Download(file, copy, max_bytes, deadline=begun + self._access.total_seconds)
            return self._retried(lambda: self._downloaded(download), f"the download of {file.name}")

    def close(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()

    def _asked(self, name: str) -> StoredFile | None:
        """The file of that name, if the server has it."""
        url = f"{self._access.url.rstrip('/')}/{quote(name)}"

        def ask() -> StoredFile | None:
            try:
                response = self._answer("HEAD", url)
                if response.status in _NO_HEAD:
                    response = self._answer("GET", url)
            except _Missing:
                return None
            response.close()
            return _stored(name, url, response.headers)

        return self._retried(ask, f"the request for {name}")

    def _retried(self, work: Callable[[], Result], what: str) -> Result:
        patience = Patience(attempts=self._access.attempts)
        return retried(work, what=what, emit=self._runtime.emit, stop=self._runtime.stop, patience=patience)

    def _downloaded(self, download: _Download) -> StoredFile:
        response = self._answer("GET", download.file.key, download.range_headers())
        try:
            download.begin(response)
            while piece := response.read1(_READ_BYTES, decode_content=False):
                download.add(piece)
                if self._runtime.stop.is_set():
                    raise SourceUnavailable("The run was told to stop.", where=download.file.name)
        except (HTTPError, OSError) as error:
            raise self._explained(error, download.file.name) from None
        finally:
            response.close()
        return download.finished()

    def _answer(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """The answer, its body not yet read, after the redirects that may be followed. Raises SourceError, _Missing."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._once(method, url, headers or {})
            if response.status not in _REDIRECTS:
                break
            response.close()
            url = self._followed(url, response.headers.get("Location", ""))
        if response.status in (_OK, _PARTIAL) or (method == "HEAD" and response.status in _NO_HEAD):
            return response
        response.close()
        raise _status_problem(response.status, _shown(url))

    def _once(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        ours = {name: value.reveal() for name, value in self._access.headers.items()} if self._is_home(url) else {}
        timeout = urllib3.Timeout(connect=self._access.connect_seconds, read=self._access.read_seconds)
        # What the server compresses by itself would have another length than it announces for the file.
        wanted = {"User-Agent": "bief", "Accept-Encoding": "identity", **ours, **headers}
        problem: SourceError
        try:
            return self._pool(url).request(
                method, url, headers=wanted, timeout=timeout, retries=False, redirect=False, preload_content=False
            )
        except (HTTPError, OSError, ValueError) as error:
            problem = self._explained(error, _shown(url))
        # Raised out here, so that no text of another library, which may quote the whole URL, hangs on to it.
        raise problem

    def _is_home(self, url: str) -> bool:
        home, other = urlsplit(self._access.url), urlsplit(url)
        return (home.scheme, home.netloc.lower()) == (other.scheme, other.netloc.lower())

    def _followed(self, url: str, location: str) -> str:
        """Where a redirect leads. Raises SourceRefused where it must not be followed."""
        try:
            target = urljoin(url, location.strip())
            parts, old = urlsplit(target), urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise _refused_redirect(url, "an address that cannot be read") from None
        if not location or parts.scheme not in ("http", "https") or not host:
            raise _refused_redirect(url, "something that is no web address")
        if old.scheme == "https" and parts.scheme == "http":
            raise _refused_redirect(url, "an unencrypted connection")
        if host != old.hostname and _is_private(host):
            raise _refused_redirect(url, f"the inner address {host}")
        return target

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        pool = self._pools.get(server)
        if pool is None:
            proxy = proxy_for(url)
            secure = "https" in (parts.scheme, urlsplit(proxy).scheme)
            certificates = trusted_authorities() if secure else None
            if proxy:
                self._runtime.redactor.learn(proxy)
                auth = parse_url(proxy).auth
                pool = urllib3.ProxyManager(
                    proxy,
                    ssl_context=certificates,
                    proxy_headers=make_headers(proxy_basic_auth=auth) if auth else None,
                )
            else:
                pool = urllib3.PoolManager(ssl_context=certificates)
            self._pools[server] = pool
        return pool

    def _explained(self, error: Exception, where: str) -> SourceError:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            what = f"The server was silent for {self._access.read_seconds:g} s."
            return SourceUnavailable(what, where=where, do=_LATER)
        if certificate_problem(error):
            return SourceRefused(
                f"The server's certificate is not to be trusted: {certificate_problem(error)}.",
                where=where,
                do="A private authority is made known by the variable SSL_CERT_FILE.",
            )
        if isinstance(error, ProxyError):
            do = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
            return SourceUnavailable("The proxy cannot be reached.", where=where, do=do)
        if isinstance(error, urllib3.exceptions.LocationValueError | ValueError):
            return SourceRefused("This is not an address that can be asked.", where=where, do=_CHECK_PATH)
        if isinstance(error, urllib3.exceptions.IncompleteRead):
            return SourceUnavailable("The file was cut short on its way.", where=where, do=_LATER)
        return SourceUnavailable(f"The connection failed: {reason_of(error)}.", where=where, do=_LATER)


class _Missing(SourceRefused):
    """The server has no such file."""


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
        if response.status == _PARTIAL and not response.headers.get("Content-Range", "").startswith(began):
            self.tag = ""
            raise SourceUnavailable("The server sent another part than was asked for.", where=self.file.name, do=_LATER)
        if response.status == _OK:
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
            raise SourceUnavailable("The file was cut short on its way.", where=self.file.name, do=_LATER)
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


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"


def _shown(url: str) -> str:
    """The URL without its query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _refused_redirect(url: str, where_to: str) -> SourceRefused:
    return SourceRefused(f"The server sends us on to {where_to}.", where=_shown(url), do=_CHECK_PATH)


def _status_problem(status: int, where: str) -> SourceError:
    if status in (_NOT_FOUND, _GONE):
        return _Missing(f"The server has no such file ({status}).", where=where, do=_CHECK_PATH)
    if status == _TOO_MANY or status >= _SERVER_FAULT:
        return SourceUnavailable(f"The server answered {status}.", where=where, do=_LATER)
    if status in _REDIRECTS:
        return SourceRefused(f"The server sends us on more than {_MOST_REDIRECTS} times.", where=where, do=_CHECK_PATH)
    return SourceRefused(f"The server answered {status}.", where=where, do="Check `path`, `files` and `headers`.")
