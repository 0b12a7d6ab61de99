"""How tests start a simulator of an example: as the REST source does, as a process with a pipe on its input."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import bief

EXAMPLES = Path(bief.__file__).parent / "examples"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A simulator that listens, and one kept-alive connection to it."""

    url: str
    process: subprocess.Popen
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self):
        self.connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)

    def get(self, path, *, method="GET", token="demo", **query) -> Reply:
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection.request(method, target, headers=headers)
        answer = self.connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def every(self, path, **query) -> list[dict]:
        """The items of all pages behind a cursor."""
        found, cursor = [], None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {})).json
            found += page["items"]
            if not page["has_more"]:
                return found
            cursor = page["next_cursor"]
            query.pop("start_date", None)


@contextmanager
def running(
    example: str, *flags: object, env: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[Running]:
    script = EXAMPLES / example / "simulator.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "--port", "0", *map(str, flags)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        cwd=folder,
        text=True,
    )
    try:
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready", "the simulator did not start"
        simulator = Running(url, process)
        yield simulator
        simulator.connection.close()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
