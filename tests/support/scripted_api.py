"""A real HTTP/1.1 server on loopback, whose answers a test writes: honest ones, and ones that break the protocol.

    with ScriptedApi(lambda asked: reply({"items": []})) as api:
        ... api.url ... api.asked

The script is called for each request, in the thread of its connection, and gives a `Reply`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came, `at` which moment (monotonic seconds), over the how-manieth connection."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """The very bytes of an answer, in pieces with a pause before each; then the connection closes unless `keep`."""

    pieces: Sequence[bytes]
    keep: bool = True
    pause_seconds: float = 0.0


def reply(value: Any = None, *, status: int = 200, body: bytes | None = None, **headers: str | None) -> Reply:
    """An honest answer. Header names are written with `_` for `-`; None leaves a header out."""
    content = json.dumps(value).encode() if body is None else body
    if status == 204:
        content = b""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    wanted = {
        "content-type": "application/json",
        "date": formatdate(usegmt=True),
        "content-length": str(len(content)),
        **given,
    }
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {text}" for name, text in wanted.items() if text is not None)]
    return Reply(["\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content])


def raw(*pieces: bytes, keep: bool = False, pause_seconds: float = 0.0) -> Reply:
    """Any bytes at all."""
    return Reply(pieces, keep, pause_seconds)


@dataclass
class ScriptedApi:
    """The server. `asked` are all requests so far."""

    script: Callable[[Asked], Reply]
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    _listener: socket.socket = field(init=False)
    _connections: list[socket.socket] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for sock in (self._listener, *self._connections):
            # shutdown wakes a thread that is blocked in accept or recv; close alone does not.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._connections)

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(sock)
            threading.Thread(target=self._serve, args=(sock, len(self._connections)), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        # ValueError: what came is no HTTP.
        with contextlib.suppress(OSError, ValueError):
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as reader:
                while (asked := _read(reader, number)) is not None:
                    self.asked.append(asked)
                    answer = self.script(asked)
                    for piece in answer.pieces:
                        if answer.pause_seconds and self._closed.wait(answer.pause_seconds):
                            return
                        sock.sendall(piece)
                    if not answer.keep:
                        return


def _read(reader: Any, number: int) -> Asked | None:
    first = reader.readline()
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body, time.monotonic(), number)
