"""The one place from which bytes leave to other machines by HTTP: one request, one answer, nothing tried again.

Called by `http.client` (requests of a source) and `http.oauth` (requests for tokens). Deadlines, byte limits,
proxies, certificates and the completeness of the body are settled here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import urllib3
from pydantic import Field
from urllib3.exceptions import HTTPError, ProxyError, ReadTimeoutError
from urllib3.util import make_headers, parse_url

from bief.base.network import certificate_problem, proxy_for, reason_of, trusted_authorities
from bief.config.closed import Closed
from bief.http.bodies import ACCEPT_ENCODING, BodyCut, BodyWrong, decompressed
from bief.http.places import Place
from bief.http.watching import Exchange, WatchedPool, WatchedSecurePool, Watcher
from bief.ports.runtime import Runtime

USER_AGENT: Final = f"bief/{version('bief')}"
_READ_BYTES: Final = 1 << 18
_RETRY_LATER: Final = "Bief tries again by itself; if it stays, check the network and the server."

# Its messages hold whole URLs, keys in the query included; what is worth telling is in our events and errors.
logging.getLogger("urllib3").propagate = False


class HttpLimits(Closed):
    """How long an answer may take and how large it may be."""

    connect_seconds: float = Field(default=10, gt=0, le=600, examples=[5])
    """Time to reach the server."""
    read_seconds: float = Field(default=60, gt=0, le=3600, examples=[30])
    """Longest silence of the server while an answer is awaited or read."""
    total_seconds: float = Field(default=120, gt=0, le=86400, examples=[300])
    """Time for one request with its whole answer, however steadily it trickles in."""
    max_bytes: int = Field(default=256 << 20, gt=0, examples=[1073741824])
    """Largest body of one answer, before and after decompression."""


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """One complete answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def _ignored() -> None:
    """Nobody counts these requests."""


class Transport:
    """Connections to any number of servers, shared by all threads of one source."""

    def __init__(self, limits: HttpLimits, runtime: Runtime, *, connections: int) -> None:
        self._limits = limits
        self._runtime = runtime
        self._connections = connections
        self._watcher = Watcher(runtime.stop)
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}

    def exchange(self, call: Call, place: Place, on_sent: Callable[[], None] = _ignored) -> Answer:
        """The answer to one request, whatever its status. Raises SourceUnavailable, SourceRefused or SourceMisread."""
        begun = time.monotonic()
        exchange = Exchange(deadline=begun + self._limits.total_seconds, on_sent=on_sent)
        problem: Exception
        with self._watcher.watched(exchange):
            try:
                status, headers, body = self._exchanged(call, place, exchange)
            except (HTTPError, OSError, ValueError) as error:
                problem = self._explained(error, exchange, place)
            else:
                return Answer(status, headers, self._plain(body, headers, place), time.monotonic() - begun)
        # Raised out here, so that no text of another library, which may quote the whole URL, hangs on to it.
        raise problem

    def close(self) -> None:
        """End what is under way and let go of all connections. Can be called twice."""
        self._watcher.close()
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()

    def _exchanged(self, call: Call, place: Place, exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
        response = self._pool(call.url).request(
            call.method,
            call.url,
            body=call.body,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPT_ENCODING, **call.headers},
            timeout=urllib3.Timeout(connect=self._limits.connect_seconds, read=self._limits.read_seconds),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            body = self._body(response, place)
        finally:
            # A connection whose answer was read to its end is back in the pool already; any other one is of no use.
            if response.connection is not None:
                response.close()
        if exchange.cut:
            raise OSError("cut")
        if exchange.surplus:
            raise place.unavailable("The server sent more bytes than it had announced.", _RETRY_LATER)
        return response.status, {name.lower(): value for name, value in response.headers.items()}, body

    def _body(self, response: urllib3.BaseHTTPResponse, place: Place) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := response.read1(_READ_BYTES, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > self._limits.max_bytes:
                raise place.refused(
                    f"The answer is larger than {self._limits.max_bytes} bytes.",
                    "Take smaller pages, or raise `limits.max_bytes` of the source.",
                )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _plain(self, body: bytes, headers: Mapping[str, str], place: Place) -> bytes:
        coding = headers.get("content-encoding", "")
        if not coding or not body:
            return body
        try:
            return decompressed(body, coding, self._limits.max_bytes)
        except BodyCut as error:
            cut = str(error)
        except BodyWrong as error:
            raise place.misread(f"The body cannot be decompressed: {error}.") from None
        raise place.unavailable(f"The body was cut short: {cut}.", _RETRY_LATER)

    def _explained(self, error: Exception, exchange: Exchange, place: Place) -> Exception:
        if exchange.cut:
            return place.unavailable(self._why_cut(), _RETRY_LATER)
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return place.unavailable(f"The server was silent for {self._limits.read_seconds:g} s.", _RETRY_LATER)
        if certificate_problem(error):
            return place.refused(
                f"The server's certificate is not to be trusted: {certificate_problem(error)}.",
                "Check `base_url`; a private authority is made known by the variable SSL_CERT_FILE.",
            )
        if isinstance(error, ProxyError):
            return place.unavailable("The proxy cannot be reached.", "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.")
        if isinstance(error, urllib3.exceptions.LocationValueError | ValueError):
            return place.refused("This is not an address that can be asked.", "Check `base_url` of the source.")
        return place.unavailable(f"The connection failed: {reason_of(error)}.", _RETRY_LATER)

    def _why_cut(self) -> str:
        if self._runtime.stop.is_set():
            return "The run was told to stop."
        return f"The answer was not complete after {self._limits.total_seconds:g} s."

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            pool = self._pools.get(server)
            if pool is None:
                pool = self._pools[server] = self._new_pool(parts.scheme, proxy_for(url))
        return pool

    def _new_pool(self, scheme: str, proxy: str) -> urllib3.PoolManager:
        certificates = None
        if "https" in (scheme.lower(), urlsplit(proxy).scheme):
            certificates = trusted_authorities()
        if proxy:
            self._runtime.redactor.learn(proxy)
            auth = parse_url(proxy).auth
            headers = make_headers(proxy_basic_auth=auth) if auth else None
            pool: urllib3.PoolManager = urllib3.ProxyManager(
                proxy, maxsize=self._connections, ssl_context=certificates, proxy_headers=headers
            )
        else:
            pool = urllib3.PoolManager(maxsize=self._connections, ssl_context=certificates)
        pool.pool_classes_by_scheme = {"http": WatchedPool, "https": WatchedSecurePool}
        return pool
