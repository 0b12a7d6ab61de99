"""A small public API on this machine, in the shape of JSONPlaceholder: `python simulator.py --port 8801`.

It prints `ready http://127.0.0.1:PORT` when it listens and ends when its standard input ends. The texts are made
here, from the words below; they are always the same.

    GET /posts                       all of them: also /comments /albums /photos /users /todos
    GET /posts?_page=2&_limit=10     one page, with a Link header and X-Total-Count
    GET /posts/7                     one of them
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

COUNTS = {"users": 10, "posts": 100, "comments": 500, "albums": 100, "photos": 5000, "todos": 200}
FIRST = ["Anaïs", "Bjørn", "Chloé", "Dušan", "Éloïse", "Farid", "Greta", "Hakim", "Inès", "Jürgen"]
LAST = ["Lefèvre", "Østergård", "Moreau", "Kovač", "Schön", "Benali", "Lindqvist", "Haddad", "Ríos", "Weiß"]
NOUNS = ["lock", "gate", "water", "barge", "canal", "bridge", "towpath", "reach", "weir", "sluice", "basin", "boat"]
OTHERS = ["quiet", "slow", "deep", "narrow", "green", "opens", "closes", "carries", "waits", "rises", "falls", "under"]


def sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(NOUNS + OTHERS, k=words))


def user(number: int, chance: random.Random) -> dict[str, Any]:
    name = f"{FIRST[number - 1]} {chance.choice(LAST)}"
    place = {"lat": f"{chance.uniform(43, 51):.4f}", "lng": f"{chance.uniform(-2, 8):.4f}"}
    street = f"{chance.randint(1, 90)} quai du Canal"
    return {
        "id": number,
        "name": name,
        "username": f"keeper{number}",
        "email": f"keeper{number}@canal.example",
        "address": {"street": street, "suite": "", "city": "Briare", "zipcode": f"{45000 + number}", "geo": place},
        "phone": f"0{chance.randint(100_000_000, 999_999_999)}",
        "website": f"lock{number}.example",
        "company": {"name": f"Lock {number} Ltd", "catchPhrase": sentence(chance, 4), "bs": sentence(chance, 3)},
    }


def record(name: str, number: int) -> dict[str, Any]:
    """The record of this kind with this number, which counts from 1."""
    chance = random.Random(f"{name}/{number}")
    title = sentence(chance, 5)
    match name:
        case "users":
            return user(number, chance)
        case "posts":
            body = f"{sentence(chance, 12)}\n{sentence(chance, 12)} "
            return {"userId": (number + 9) // 10, "id": number, "title": f" {title}", "body": body}
        case "comments":
            email = f"reader{number}@towpath.example"
            body = sentence(chance, 15)
            return {"postId": (number + 4) // 5, "id": number, "name": title, "email": email, "body": body}
        case "albums":
            return {"userId": (number + 9) // 10, "id": number, "title": title}
        case "photos":
            url = f"https://photos.example/{number}"
            album = (number + 49) // 50
            return {"albumId": album, "id": number, "title": title, "url": url, "thumbnailUrl": f"{url}/small"}
        case _:
            return {
                "userId": (number + 19) // 20,
                "id": number,
                "title": title,
                "completed": chance.choice([True, False]),
            }


DATA = {name: [record(name, number) for number in range(1, count + 1)] for name, count in COUNTS.items()}


class Answers(BaseHTTPRequestHandler):
    """Answers the requests of one connection, which stays open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    failing: tuple[str, str] = ("", "")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        name, _, number = url.path.strip("/").partition("/")
        records = DATA.get(name)
        if name == self.failing[0]:
            return self._send(int(self.failing[1]), {})
        if records is None or (number and not (number.isdecimal() and 0 < int(number) <= len(records))):
            return self._send(404, {})
        if number:
            return self._send(200, records[int(number) - 1])
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if "_page" not in query and "_limit" not in query:
            return self._send(200, records)
        page, size = int(query.get("_page", "1")), int(query.get("_limit", "10"))
        last = max(1, -(-len(records) // size))
        pages = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
        base = f"http://{self.headers['Host']}/{name}"
        links = [
            f'<{base}?_page={to}&_limit={size}>; rel="{rel}"'
            for rel, to in pages.items()
            if 1 <= to <= last and to != page
        ]
        headers = {"Link": ", ".join(links), "X-Total-Count": str(len(records))}
        return self._send(200, records[(page - 1) * size : page * size], headers)

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content, ensure_ascii=False, indent=2).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the other end reads this program's output."""


class Server(socketserver.ThreadingTCPServer):
    """Listens on this machine only."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8801, help="0: any free port")
    parser.add_argument("--state", help="not used: nothing changes here from day to day")
    parser.add_argument("--fail", default="", metavar="STREAM=STATUS", help="answer this status for this one")
    options = parser.parse_args([*sys.argv[1:], *shlex.split(os.environ.get("SIMULATOR_FLAGS", ""))])
    stream, _, status = options.fail.partition("=")
    Answers.failing = (stream, status)
    with Server(("127.0.0.1", options.port), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
        while sys.stdin.buffer.read(4096):
            pass


if __name__ == "__main__":
    main()
