"""Pages of a REST API into PostgreSQL, by key; and the rate limit beside its ideal."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import data
from suite.checksums import Checksum, in_duckdb
from suite.contenders import BIEF, Contender, Subject, memory_at_most, times_faster
from suite.measuring import measured
from suite.peers import BENCH
from suite.surroundings import BIEF_SCHEMA, Surroundings

_RATE_REQUESTS = 200


@contextlib.contextmanager
def page_server(*options: str) -> Iterator[str]:
    """The page server in a process of its own; gives its URL."""
    command = [sys.executable, str(BENCH / "page_server.py"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[1]
        process.stdin.close()


def rest(around: Surroundings, rows: int) -> Subject:
    """A tenth as many records as rows elsewhere, in pages of 100."""
    records = max(rows // 10, 1)
    url = around.open.enter_context(page_server("--records", str(records)))
    return Subject(
        key="rest",
        title="REST → PostgreSQL, merge",
        rows=records,
        intro="Records of about 530 bytes in pages of 100 behind a cursor, into a new table.",
        contenders=[
            Contender(
                BIEF,
                around.bief("rest", "run", "--json", BENCH_API_URL=url),
                prepare=around.emptied(BIEF_SCHEMA),
                found=around.in_table(f"{BIEF_SCHEMA}.invoices", data.INVOICE_COLUMNS),
                expected=_expected(records),
            ),
            Contender(
                "dlt",
                around.script("dlt_rest", url, around.url, "bench_dlt", peer="dlt"),
                prepare=around.emptied("bench_dlt", "bench_dlt_staging"),
                found=around.in_table("bench_dlt.invoices", data.INVOICE_COLUMNS),
                expected=_expected(records),
                absent=around.absent("dlt"),
            ),
        ],
        goals=[times_faster(6, "dlt"), memory_at_most(300)],
    )


@cache
def _expected(records: int) -> Checksum:
    return in_duckdb(f"({data.invoices_query(records)})", data.INVOICE_COLUMNS)


def rate(around: Surroundings) -> list[str]:
    """Requests per second at 5 allowed and 250 ms latency: one stream by page number, four by cursor; as Markdown."""
    lines = [
        "## Rate limit: 5 requests/s allowed, 250 ms latency",
        "",
        "| streams | requests | refused (429) | share of the allowed rate | goal ≥ 98 % |",
        "|---|---|---|---|---|",
    ]
    for name, project, streams in (
        ("one stream by page number", "rest_rate_pages", 1),
        ("four streams by cursor", "rest_rate_cursors", 4),
    ):
        records = str(_RATE_REQUESTS * 10 // streams)
        limits = ["--latency-ms", "250", "--requests", "5", "--per-seconds", "1"]
        with page_server("--records", records, "--size", "10", *limits) as url, tempfile.TemporaryDirectory() as folder:
            measured(around.bief(project, "run", "--json", BENCH_API_URL=url)(Path(folder)))
            with urllib.request.urlopen(f"{url}/counts") as answer:
                counts = json.load(answer)
        # The first window may be used at once: N requests take (N − 5) / 5 s at best.
        share = (counts["served"] - 5) / 5 / counts["seconds"]
        verdict = "met" if share >= 0.98 else "**missed**"
        lines.append(f"| {name} | {counts['served']} | {counts['refused']} | {share:.1%} | {verdict} |")
    return [*lines, ""]
