"""A small accounting API on this machine, with the habits of the real one: `python simulator.py --port 8800`.

It prints `ready http://127.0.0.1:PORT` when it listens and ends when its standard input ends. With a state file, each
start is the next day of the same company: records come, change and go, and the changelog says which. In the folder of
a project that is `.bief/simulator.json`; elsewhere there is none, unless `--state FILE` names one.

    GET /<stream>?limit=&cursor=&filter=&sort=          {"items": [...], "has_more": true, "next_cursor": "..."}
    GET /<stream>/<id>                                  one record
    GET /changelogs/<stream>?limit=&start_date=&cursor= what changed, oldest first, for four weeks
    GET /v1/<stream>?page=&per_page=                    the older way: numbered pages under the stream's own name
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import socketserver
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from simulator_api import Api
from simulator_world import SHARES, World


class Connection(socketserver.StreamRequestHandler):
    """One connection, kept alive until the client hangs up."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        try:
            while self._exchange():
                pass
        except ConnectionError:
            return

    def _exchange(self) -> bool:
        words = self.rfile.readline(65_536).decode("latin-1").split()
        if len(words) != 3:  # noqa: PLR2004 - method, target, version
            return False
        headers = {}
        for line in iter(self.rfile.readline, b"\r\n"):
            if not line:
                return False
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        api = self.server.api
        answer = api.answer(words[0], words[1], headers)
        close = answer.cut or words[0] != "GET" or headers.get("connection", "").lower() == "close"
        head = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Date: {formatdate(api.now().timestamp(), usegmt=True)}",
            f"Content-Type: {answer.type}",
            f"Content-Length: {len(answer.body) + (1000 if answer.cut else 0)}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
            *(["Connection: close"] if close else []),
        ]
        if not answer.drop:
            self.connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + answer.body)
        return not (close or answer.drop)


class Server(socketserver.ThreadingTCPServer):
    """Listens on this machine only."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, api: Api) -> None:
        self.api = api
        super().__init__(("127.0.0.1", port), Connection)


def days_so_far(state: Path | None, first: int, now: datetime, company: dict[str, int]) -> list[datetime]:
    """When each day of the company began; with a state file, one day more than at the last start."""
    began = [now - timedelta(days=first - day) for day in range(1, first + 1)]
    if state is None:
        return began
    if state.exists():
        kept = json.loads(state.read_text(encoding="utf-8"))
        if kept["company"] != company:
            sys.exit(f"{state} belongs to another company, {kept['company']}: remove it, or ask for that one.")
        began = [*map(datetime.fromisoformat, kept["began"]), now]
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = state.with_name(f"{state.name}.new")
    fresh.write_text(json.dumps({"company": company, "began": [day.isoformat() for day in began]}), encoding="utf-8")
    fresh.replace(state)
    return began


def failing(text: str) -> tuple[str, str, int]:
    """`customers=500` for ever, `customers=500:2` for two requests."""
    stream, _, rest = text.partition("=")
    kind, _, times = rest.partition(":")
    if stream not in SHARES or not (kind in {"html", "error", "cut", "drop"} or kind in set(map(str, range(400, 600)))):
        raise argparse.ArgumentTypeError(f"'{text}' is not STREAM=STATUS, STREAM=html, =error, =cut or =drop")
    return stream, kind, int(times or -1)


def counted(text: str) -> tuple[str, int]:
    stream, _, count = text.partition("=")
    return stream, int(count)


def arguments() -> argparse.Namespace:
    """The command line; words in SIMULATOR_FLAGS come after it, so that tests can add to what a project says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8800, help="0: any free port")
    parser.add_argument("--records", type=int, default=10_000, help="records in all streams together on the first day")
    parser.add_argument("--seed", type=int, default=7, help="another number is another company")
    parser.add_argument("--days", type=int, default=0, help="days the company has lived through before its first start")
    state = Path(".bief/simulator.json") if Path("bief.yaml").exists() else None
    parser.add_argument("--state", type=Path, default=state, help="a file that remembers the days; each start adds one")
    parser.add_argument("--latency-ms", type=float, default=0, help="wait before each answer")
    parser.add_argument("--requests", type=int, default=25, help="requests allowed ... (0: no limit)")
    parser.add_argument("--per-seconds", type=float, default=5, help="... in so many seconds, per token")
    parser.add_argument("--ahead-days", type=float, default=0, help="set the server's clock forward")
    parser.add_argument("--fail", type=failing, action="append", default=[], metavar="STREAM=KIND[:TIMES]")
    parser.add_argument("--bad", type=counted, action="append", default=[], metavar="STREAM=COUNT")
    parser.add_argument("--warm", action="store_true", help="make all records before listening, for measurements")
    return parser.parse_args([*sys.argv[1:], *shlex.split(os.environ.get("SIMULATOR_FLAGS", ""))])


def main() -> None:
    options = arguments()
    now = datetime.now(UTC) + timedelta(days=options.ahead_days)
    company = {"seed": options.seed, "records": options.records}
    began = days_so_far(options.state, options.days, now, company)
    world = World(options.seed, options.records, began, dict(options.bad))
    if options.warm:
        for stream in world.streams.values():
            for number in stream.ids:
                stream.rendered(number)
    with Server(options.port, Api(world, options)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
        while sys.stdin.buffer.read(4096):
            pass


if __name__ == "__main__":
    main()
