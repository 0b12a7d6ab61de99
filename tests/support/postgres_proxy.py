"""A proxy that reads the frontend protocol of PostgreSQL and cuts the line at a chosen moment.

`drop_commit`: COMMIT never reaches the server. `drop_reply`: it does, the server commits, and the reply never comes
back. `hang_up`: the client is cut off at once while the server may still be committing. `cut_copy`: the line is cut in
the middle of the rows. Each cut happens once; `bites` counts them.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HEADER = 5
_STARTUP_HEADER = 4
_REPLY_WAIT_SECONDS = 20


class PostgresProxy:
    """Listens on 127.0.0.1; every connection goes to the server of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        folder = parse_qs(parts.query).get("host", [""])[0]
        self._server = folder + "/.s.PGSQL.5432" if folder.startswith("/") else (parts.hostname, parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        user = parts.username or "postgres"
        self.url = f"postgresql://{user}@127.0.0.1:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        self.plan: str | None = None
        self.bites = 0
        self.commits = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            _hang_up(each)

    def cut_all(self) -> None:
        """Cut every line, as a restart of the server or of a router does."""
        for each in self._open:
            _hang_up(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
                server = socket.socket(family)
                server.connect(self._server)
                self._open += [client, server]
                line = _Line(self, client, server)
                threading.Thread(target=line.forward, daemon=True).start()
                threading.Thread(target=line.backward, daemon=True).start()


class _Line:
    def __init__(self, proxy: PostgresProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._mute = threading.Event()
        self._committed = threading.Event()

    def forward(self) -> None:
        """From the client to the server, message by message."""
        with contextlib.suppress(OSError, EOFError):
            head = _read(self._client, _STARTUP_HEADER)
            self._server.sendall(head + _read(self._client, struct.unpack("!I", head)[0] - _STARTUP_HEADER))
            while True:
                head = _read(self._client, _HEADER)
                body = _read(self._client, struct.unpack("!I", head[1:])[0] - _STARTUP_HEADER)
                if not self._cut(head[:1], head + body):
                    self._server.sendall(head + body)
        _hang_up(self._server)

    def backward(self) -> None:
        """From the server to the client; swallowed once the line is mute."""
        with contextlib.suppress(OSError, EOFError):
            while data := self._server.recv(65536):
                if self._mute.is_set():
                    if b"COMMIT\x00" in data:
                        self._committed.set()
                else:
                    self._client.sendall(data)
        _hang_up(self._client)

    def _cut(self, kind: bytes, message: bytes) -> bool:
        """Whether the message was dealt with by a cut."""
        is_commit = kind == b"Q" and message[_HEADER:].startswith(b"COMMIT")
        self._proxy.commits += is_commit
        plan = self._proxy.plan
        if (plan == "cut_copy" and kind == b"d") or (plan == "drop_commit" and is_commit):
            self._bite()
            _hang_up(self._server)
            _hang_up(self._client)
            return True
        if plan in ("drop_reply", "hang_up") and is_commit:
            self._bite()
            self._mute.set()
            self._server.sendall(message)
            if plan == "drop_reply" and not self._committed.wait(_REPLY_WAIT_SECONDS):
                raise AssertionError("the server never committed")
            _hang_up(self._client)
            return True
        return False

    def _bite(self) -> None:
        self._proxy.plan = None
        self._proxy.bites += 1


def _read(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _hang_up(line: Any) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
