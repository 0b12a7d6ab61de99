"""Runs the contenders of a subject in turn: A B C, A B C, …, so that a slow minute of the machine hits all of them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb
import psycopg

from suite.contenders import Contender, Outcome, Outcomes, Subject
from suite.measuring import CommandFailed, measured


def side_by_side(subject: Subject, runs: int) -> Outcomes:
    """What came of each contender, by its name. One that fails is not run again, and stops nobody else."""
    outcomes = {each.name: Outcome(each) for each in subject.contenders}
    for number in range(runs):
        for outcome in outcomes.values():
            contender = outcome.contender
            if contender.absent or outcome.failure or number >= (contender.most_runs or runs):
                continue
            _tell(f"{subject.key}: {contender.name}, run {number + 1} …")
            _run(contender, outcome)
            _tell(outcome.failure or f"    {outcome.runs[-1].seconds:.2f} s {outcome.wrong}".rstrip())
    return outcomes


def _run(contender: Contender, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory(prefix="bief-bench-") as name:
        folder = Path(name)
        try:
            contender.prepare(folder)
            run = measured(contender.command(folder))
        except (CommandFailed, psycopg.Error, OSError) as error:
            outcome.failure = f"failed: {_one_line(error)}"
            return
        outcome.runs.append(run)
        outcome.wrong = outcome.wrong or _wrong(contender, folder)


def _wrong(contender: Contender, folder: Path) -> str:
    """What is wrong with the rows that were loaded; empty if nothing is."""
    if contender.found is None or contender.expected is None:
        return ""
    try:
        found = contender.found(folder)
    except (psycopg.Error, duckdb.Error) as error:
        return f"WRONG: cannot be compared: {_one_line(error)}"
    difference = found.difference_from(contender.expected)
    return f"WRONG: {difference}" if difference else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _tell(text: str) -> None:
    """Progress goes to standard error: standard output is the report."""
    print(text, file=sys.stderr, flush=True)
