"""Connections that cannot hang: every exchange has one deadline, whatever the server does to delay it.

A socket's own timeout begins anew with each byte, so a server that sends one byte every ten seconds would hold a
thread for ever. A watcher thread cuts the socket of an exchange at its deadline, when the run is told to stop, and
when the client is closed. Used by `http.transport` only.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_LOOK_EVERY_SECONDS: Final = 0.2
_current = threading.local()


def _unmarked() -> None:
    """Nobody wants to know when the request left."""


@dataclass(eq=False)
class Exchange:
    """One request and its answer. `cut` says that the watcher ended it; `on_sent` is called when the request left."""

    deadline: float
    on_sent: Callable[[], None] = _unmarked
    reader: SurplusReader | None = None
    cut: bool = False
    _socket: socket.socket | None = None
    _copied: bool = False

    @property
    def surplus(self) -> bool:
        """Whether the server sent more than the answer it had declared."""
        return self.reader is not None and self.reader.surplus

    def runs_over(self, sock: socket.socket | None, *, copied: bool = False) -> None:
        """From now on this socket is the one to cut; a copy belongs to the exchange."""
        old, self._socket = self._socket if self._copied else None, sock
        self._copied = copied
        if old is not None:
            old.close()
        if self.cut:
            self.end()

    def end(self) -> None:
        self.cut = True
        if self._socket is not None:
            # Not the method of the object: that of an SSL socket takes its own parts away while another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@dataclass
class Watcher:
    """Ends exchanges that must not go on. Its thread lives while there is anything to watch."""

    stop: threading.Event
    _open: set[Exchange] = field(default_factory=set)
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None
    _closed: bool = False

    @contextlib.contextmanager
    def watched(self, exchange: Exchange) -> Iterator[Exchange]:
        """While the block runs, connections used by this thread belong to `exchange`."""
        with self._wake:
            self._open.add(exchange)
            exchange.cut = self._closed
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._watch, name="bief-http-watcher", daemon=True)
                self._thread.start()
            self._wake.notify()
        _current.exchange = exchange
        try:
            yield exchange
        finally:
            _current.exchange = None
            with self._wake:
                self._open.discard(exchange)
            exchange.runs_over(None)

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
            for exchange in self._open:
                exchange.end()

    def _watch(self) -> None:
        while True:
            with self._wake:
                while not self._open and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                now = time.monotonic()
                for exchange in self._open:
                    if now >= exchange.deadline or self.stop.is_set():
                        exchange.end()
            time.sleep(_LOOK_EVERY_SECONDS)


class SurplusReader(io.BufferedReader):
    """The reading end of a connection; looks, when it is closed, whether bytes are left that no answer declared."""

    surplus = False
    at_end = False
    _socket: socket.socket | None = None

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.at_end = not line
        return line

    def belongs_to(self, sock: socket.socket) -> None:
        self._socket = sock

    def close(self) -> None:
        if not self.closed and self._socket is not None:
            self.surplus = self._has_more(self._socket)
            self._socket = None
        super().close()

    def _has_more(self, sock: socket.socket) -> bool:
        try:
            before = sock.gettimeout()
            sock.settimeout(0)
            try:
                more = bool(self.peek(1))
            finally:
                sock.settimeout(before)
            if more:
                # What follows on this connection could be taken for the next answer: nobody may use it again.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except (OSError, ValueError):
            return False
        return more


class _Answer(http.client.HTTPResponse):
    """The standard library's answer, reading through a `SurplusReader`."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        reader = SurplusReader(sock.makefile("rb", buffering=0), 1 << 16)
        reader.belongs_to(sock)
        self.fp = self._reader = reader
        exchange: Exchange | None = getattr(_current, "exchange", None)
        if exchange is not None:
            exchange.reader = reader

    def begin(self) -> None:
        super().begin()
        # The standard library takes the end of the connection for the end of the headers, and drops all headers
        # after one that it cannot read: Content-Length may be among them.
        if self._reader.at_end or self.headers.defects:
            raise http.client.HTTPException("the headers are cut short or damaged")


def _runs_over(sock: Any, *, copied: bool = False) -> None:
    """This thread's exchange now runs over this socket."""
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is not None:
        exchange.runs_over(sock, copied=copied)
    elif copied:
        sock.close()


def _sent() -> None:
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is not None:
        exchange.on_sent()


class _Connection(HTTPConnection):
    response_class = _Answer

    def request(self, *args: Any, **kwargs: Any) -> None:
        _runs_over(self.sock)
        super().request(*args, **kwargs)
        _runs_over(self.sock)
        _sent()


class _SecureConnection(HTTPSConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        # The handshake turns the socket into another object: only a copy of it can be cut meanwhile.
        _runs_over(sock.dup(), copied=True)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        _runs_over(self.sock)
        super().request(*args, **kwargs)
        _runs_over(self.sock)
        _sent()


class WatchedPool(HTTPConnectionPool):
    ConnectionCls = _Connection


class WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
