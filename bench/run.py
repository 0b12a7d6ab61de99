"""Bief and its pinned peers side by side, as a Markdown report: `make bench BENCH_FLAGS="--only csv --rows 100000"`.

Writes the report to standard output and to bench/report.md, progress to standard error. Ends with 1 if Bief failed or
loaded wrong rows; a goal that is missed is in the report and nowhere else.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from suite import report
from suite.contenders import BIEF, Outcomes
from suite.peers import OURS, PEERS, installed_versions
from suite.rounds import side_by_side
from suite.server import postgres_url, settings
from suite.subjects import ALL, GROWING, REPORTING
from suite.surroundings import Surroundings

REPORT = Path(__file__).parent / "report.md"
KEYS = [*ALL, *REPORTING]
_PACKAGES = ("bief", "pyarrow", "adbc-driver-postgresql", "duckdb", "psycopg")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender (3); slow peers run once")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the CSV files and tables (1000000)")
    parser.add_argument("--only", type=_keys, default=KEYS, help=f"some of: {','.join(KEYS)}")
    parser.add_argument("--without-peers", action="store_true", help="Bief and the limits only; installs nothing")
    parser.add_argument("--large", action="store_true", help=f"ten times the rows too, for {','.join(GROWING)}")
    parser.add_argument("--postgres", help="a database that may be emptied; without it a server is started")
    return parser.parse_args()


def _keys(text: str) -> list[str]:
    keys = text.split(",")
    if unknown := sorted(set(keys) - set(KEYS)):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there is only {', '.join(KEYS)}")
    return keys


def main() -> int:
    options = arguments()
    is_right = True
    with contextlib.ExitStack() as opened, REPORT.open("w", encoding="utf-8") as file:
        url = opened.enter_context(postgres_url(options.postgres))
        around = Surroundings(url, with_peers=not options.without_peers, open=opened)
        written = Report(file)
        command = " ".join(["make bench", *([f'BENCH_FLAGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])])
        written.add(report.opening(command, options.runs, options.rows, _versions(options), settings(url)))
        written.add(report.rules())
        for key in options.only:
            is_right = _reported(key, options, around, written) and is_right
    return 0 if is_right else 1


def _reported(key: str, options: argparse.Namespace, around: Surroundings, written: Report) -> bool:
    """Measures one subject; whether Bief did it, and rightly."""
    if key in REPORTING:
        written.add(REPORTING[key](around))
        return True
    subject = ALL[key](around, options.rows)
    outcomes = side_by_side(subject, options.runs)
    written.add(report.section(subject, outcomes))
    is_right = _is_right(outcomes)
    if options.large and key in GROWING:
        larger = GROWING[key](around, options.rows * 10)
        more = side_by_side(larger, 1)
        written.add(report.growth(subject, outcomes, larger, more))
        is_right = _is_right(more) and is_right
    return is_right


def _is_right(outcomes: Outcomes) -> bool:
    return not any(each.failure or each.wrong for name, each in outcomes.items() if name.startswith(BIEF))


def _versions(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    ours = {"Python": platform.python_version(), **installed_versions(str(OURS / "python"), _PACKAGES)}
    peers = [] if options.without_peers else [peer for peer in PEERS.values() if not peer.absent]
    return {
        "Bief and the scripts by hand": ours,
        **{f"peers, environment `{peer.name}`": peer.versions() for peer in peers},
    }


class Report:
    """Each part goes to standard output and into the file at once, so that a long run that is cut off leaves it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, lines: Sequence[str]) -> None:
        text = "\n".join(lines) + "\n"
        for place in (sys.stdout, self._file):
            place.write(text)
            place.flush()


if __name__ == "__main__":
    sys.exit(main())
