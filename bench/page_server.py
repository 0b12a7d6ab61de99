"""An HTTP server that costs almost nothing, so that a benchmark measures the client.

`python page_server.py --records 100000 --size 100 [--latency-ms 250] [--requests 5 --per-seconds 1]` prints
`ready http://127.0.0.1:PORT` and ends at the end of its input. All pages are rendered before it listens.

    /items?cursor=N      {"items": […], "has_more": …, "next_cursor": …}
    /pages?page=N        the same records by page number, from 1
    /s3/items?cursor=N   the same as /items, for any prefix /sK: several streams of one source

With `--requests` it refuses more requests than that in any window of `--per-seconds` with 429, and counts both.
GET /counts gives {"served": …, "refused": …, "seconds": from first to last}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from urllib.parse import parse_qs, urlsplit


def record(number: int) -> dict:
    """One accounting record of about 700 bytes."""
    return {
        "id": number,
        "invoice_number": f"F-2026-{number:07d}",
        "label": f"Invoice {number} " + "lorem ipsum dolor sit amet " * 6,
        "currency": "EUR",
        "amount": f"{number * 37 % 1_000_000 / 100:.2f}",
        "tax": f"{number * 7 % 100_000 / 100:.2f}",
        "date": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "paid": number % 3 == 0,
        "customer": {"id": number % 5000, "name": f"Customer {number % 5000}", "city": "Lyon"},
        "category_id": number % 40,
        "ratio": number % 97 / 8,
        "note": None if number % 5 else "second reminder sent " * 4,
        "created_at": f"2026-01-{number % 28 + 1:02d}T08:{number % 60:02d}:00Z",
        "updated_at": f"2026-02-{number % 28 + 1:02d}T09:{number % 60:02d}:30Z",
    }


class Pages:
    """All pages, rendered, and the window of the rate limit."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.latency = options.latency_ms / 1000
        self.limit, self.period = options.requests, options.per_seconds
        self.recent: deque[float] = deque()
        self.times: list[float] = []
        self.refused = 0
        numbers = range(1, options.records + 1)
        parts = [numbers[start : start + options.size] for start in range(0, options.records, options.size)]
        self.bodies = [
            json.dumps(
                {
                    "items": [record(number) for number in part],
                    "has_more": index + 1 < len(parts),
                    "next_cursor": str(index + 1) if index + 1 < len(parts) else None,
                }
            ).encode()
            for index, part in enumerate(parts)
        ]
        self.end = json.dumps({"items": [], "has_more": False, "next_cursor": None}).encode()

    def answer(self, target: str) -> tuple[int, bytes]:
        url = urlsplit(target)
        query = parse_qs(url.query)
        if url.path == "/counts":
            span = self.times[-1] - self.times[0] if self.times else 0.0
            counts = {"served": len(self.times), "refused": self.refused, "seconds": span}
            return 200, json.dumps(counts).encode()
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - self.period:
            self.recent.popleft()
        if self.limit and len(self.recent) >= self.limit:
            self.refused += 1
            return 429, b"Too many requests"
        self.recent.append(now)
        self.times.append(now)
        index = int(query["page"][0]) - 1 if "page" in query else int(query.get("cursor", ["0"])[0])
        return 200, self.bodies[index] if index < len(self.bodies) else self.end

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = self.answer(head.split(b" ", 2)[1].decode())
                if self.latency:
                    await asyncio.sleep(self.latency)
                reason = "OK" if status == 200 else "Too Many Requests\r\nRetry-After: 1"
                writer.write(
                    f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main(options: argparse.Namespace) -> None:
    pages = Pages(options)
    server = await asyncio.start_server(pages.serve, "127.0.0.1", options.port, limit=1 << 20)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--per-seconds", type=float, default=1)
    asyncio.run(main(parser.parse_args()))
