"""Requests to the web server that has the files, one answer each: redirects, certificates, proxies, errors.

Called by `web`. Our headers go to the server that `path` names and to no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProxyError
from urllib3.util import make_headers, parse_url

from bief.base.network import certificate_problem, proxy_for, reason_of, trusted_authorities
from bief.base.retries import Patience, retried
from bief.base.secrets import Secret
from bief.errors import SourceError, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime

Result = TypeVar("Result")
LATER: Final = "Bief tries again by itself; if it stays, check the network and the server."
OK, PARTIAL = 200, 206
NO_HEAD: Final = frozenset({405, 501})
_MOST_REDIRECTS: Final = 5
_CHECK_PATH: Final = "Check `path` and `files`."
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND, _GONE, _TOO_MANY, _SERVER_FAULT = 404, 410, 429, 500


@dataclass(frozen=True)
class WebAccess:
    """How files are asked for. `headers` may hold credentials; `seconds` bound one download, however it trickles."""

    url: str
    headers: Mapping[str, Secret] = field(default_factory=dict)
    connect_seconds: float = 10
    read_seconds: float = 60
    total_seconds: float = 6 * 3600
    attempts: int = 5


class Missing(SourceRefused):
    """The server has no such file."""


class WebRequests:
    """Connections to the server, and to those that it sends us on to."""

    def __init__(self, access: WebAccess, runtime: Runtime) -> None:
        self._access = access
        self._runtime = runtime
        self._pools: dict[str, urllib3.PoolManager] = {}

    def retried(self, work: Callable[[], Result], what: str) -> Result:
        patience = Patience(attempts=self._access.attempts)
        return retried(work, what=what, emit=self._runtime.emit, stop=self._runtime.stop, patience=patience)

    def answer(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """The answer, its body not yet read, after the redirects that may be followed. Raises SourceError, Missing."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._once(method, url, headers or {})
            if response.status not in _REDIRECTS:
                break
            response.close()
            url = self._followed(url, response.headers.get("Location", ""))
        if response.status in (OK, PARTIAL) or (method == "HEAD" and response.status in NO_HEAD):
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
            problem = self.explained(error, _shown(url))
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

    def explained(self, error: Exception, where: str) -> SourceError:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            what = f"The server was silent for {self._access.read_seconds:g} s."
            return SourceUnavailable(what, where=where, do=LATER)
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
        if "IncompleteRead" in str(error):
            return SourceUnavailable("The file was cut short on its way.", where=where, do=LATER)
        return SourceUnavailable(f"The connection failed: {reason_of(error)}.", where=where, do=LATER)

    def close(self) -> None:
        """Let go of all connections."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()


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
        return Missing(f"The server has no such file ({status}).", where=where, do=_CHECK_PATH)
    if status == _TOO_MANY or status >= _SERVER_FAULT:
        return SourceUnavailable(f"The server answered {status}.", where=where, do=LATER)
    if status in _REDIRECTS:
        return SourceRefused(f"The server sends us on more than {_MOST_REDIRECTS} times.", where=where, do=_CHECK_PATH)
    return SourceRefused(f"The server answered {status}.", where=where, do="Check `path`, `files` and `headers`.")
