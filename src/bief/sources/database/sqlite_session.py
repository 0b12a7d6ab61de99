"""One connection to a SQLite file that only reads. Implements `session.Session`."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from bief.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from bief.sources.database.options import DatabaseStream
from bief.sources.database.python_values import batch_of
from bief.sources.database.relations import Column, Measure, Range, Relation, Selection
from bief.sources.database.session import Watermark
from bief.sources.database.sqlite_catalog import relation_of
from bief.sources.database.sqlite_types import ANSWERS, bound, decided, question, quoted
from bief.sources.database.statements import ALIAS, Words, measure, select, where

WORDS: Final = Words(quote=quoted, bound=bound, text=lambda sql: f"CAST({sql} AS TEXT)")
_ROWS: Final = 20_000
_BUSY: Final = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_INTERRUPT", "SQLITE_SCHEMA"})


class SqliteSession:
    """See `session.Session`. A read is one read transaction: what others write meanwhile is not seen."""

    def __init__(self, path: Path, lock_timeout_seconds: float) -> None:
        self._path = path
        self._relation: Relation | None = None
        with self._speaking():
            uri = f"{path.absolute().as_uri()}?mode=ro"
            # Closed by the thread that reads, or by the one that ends the run.
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, timeout=lock_timeout_seconds, check_same_thread=False
            )
            self._connection.create_function("bief_sha256", 1, _sha256, deterministic=True)
            self._connection.create_function("bief_email", 1, _email, deterministic=True)
        # What the file itself defines must not reach beyond it.
        self._ask("PRAGMA trusted_schema = OFF")

    def describe(self, stream: str, options: DatabaseStream) -> Relation:
        try:
            self._relation = relation_of(self._ask, stream, options)
        except SourceChanged as error:
            # Nothing was read yet: it is the query that speaks of what is not there.
            raise SourceRefused(error.what, where=error.where, do="Correct the query.") from None
        return self._relation

    def watermark(self, cursor: Column, options: DatabaseStream) -> Watermark:
        """Writers come one after the other, so the greatest value is behind those of all that come, but for the time
        that a transaction takes from making a value to its commit."""
        relation = self._relation
        if relation is None:
            raise RuntimeError("describe comes first")
        asked = f"SELECT max({quoted(cursor.name)}) FROM {relation.sql}"  # noqa: S608 - quoted
        greatest = self._ask(asked)[0][0]
        if greatest is None:
            return Watermark(unchanged=True)
        if isinstance(greatest, bytes):
            raise SourceRefused(f"the cursor {cursor.name} of {relation.name} holds bytes, which have no order.")
        return Watermark(_lowered(greatest, options))

    def lookback(self, cursor: Column, options: DatabaseStream) -> str:
        return ""

    def begin(self) -> None:
        self._ask("BEGIN")
        # The transaction begins to see with its first read.
        self._ask("SELECT count(*) FROM sqlite_schema")

    def measure(self, selection: Selection, cursor: Column) -> Measure:
        return Measure(*self._ask(measure(selection, cursor, WORDS))[0])

    def settled(self, selection: Selection) -> Selection:
        """Columns whose declared type says nothing get the type of their values, by one look at all of them."""
        undecided = [column for column in selection.columns if column.undecided]
        if not undecided:
            return selection
        asked = ", ".join(question(column.name) for column in undecided)
        source = f"SELECT * FROM {selection.relation.sql} AS {ALIAS}{where(selection, WORDS)}"  # noqa: S608 - quoted
        limit = f" LIMIT {selection.limit}" if selection.limit is not None else ""
        answers = self._ask(f"SELECT {asked} FROM ({source}{limit})")[0]  # noqa: S608 - quoted
        types = {
            column.name: decided(column, answers[place * ANSWERS : (place + 1) * ANSWERS])
            for place, column in enumerate(undecided)
        }
        columns = tuple(replace(each, type=types.get(each.name, each.type)) for each in selection.columns)
        return replace(selection, columns=columns)

    def ranges(self, selection: Selection, parts: int) -> Sequence[Range]:
        return [Range()]

    def beside(self) -> SqliteSession:
        raise SourceRefused("a SQLite file is read by one connection.", do="Take `parallel` out.")

    def batches(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        with self._speaking():
            cursor = self._connection.execute(select(selection, WORDS))
        with contextlib.closing(cursor):
            while True:
                with self._speaking():
                    rows = cursor.fetchmany(_ROWS)
                if not rows:
                    return
                yield batch_of(rows, selection.columns, len(selection.key_texts))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._speaking():
            return self._connection.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _as_source(error, self._path) from None


def _as_source(error: sqlite3.Error, path: Path) -> SourceError:
    name = str(getattr(error, "sqlite_errorname", ""))
    what = f"{error}."
    if name == "SQLITE_CANTOPEN" or not path.is_file():
        do = "Correct `path`, or let this user read the file and, if it is in WAL mode, its folder."
        return SourceRefused(what, where=str(path), do=do)
    if "_".join(name.split("_")[:2]) in _BUSY:
        return SourceUnavailable(what, where=str(path), do="Another program holds the file: it is tried again.")
    if str(error).startswith("Could not decode"):
        do = "Select this column as CAST(… AS BLOB) in a `query`, or drop it."
        return SourceRefused(what, where=str(path), do=do)
    if str(error).startswith(("no such table", "no such column")):
        return SourceChanged(
            what, where=str(path), do="The table was changed while it was read, or the query is wrong."
        )
    return SourceRefused(what, where=str(path), do="Correct the query, or see whether the file is a SQLite database.")


def _lowered(greatest: float | str, options: DatabaseStream) -> str:
    """The greatest cursor less the lookback, in its own way of writing; a text that is no time stays."""
    if isinstance(greatest, int):
        return str(greatest - options.lookback_numbers)
    if isinstance(greatest, float):
        return str(Decimal(repr(greatest)) - Decimal(str(options.lookback_seconds)))
    return lowered_time(greatest, options.lookback_seconds)


def lowered_time(text: str, seconds: float) -> str:
    """A time in ISO-8601 less some seconds, written as it was; any other text as it is."""
    try:
        moment = datetime.fromisoformat(text)
        lowered = moment - timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return text
    if len(text) == len("2024-01-01"):
        return lowered.date().isoformat()
    clock = text[11:].rstrip("Z").partition("+")[0].partition("-")[0]
    _, point, fraction = clock.partition(".")
    pattern = "%Y-%m-%d" + text[10] + ("%H:%M:%S" if clock.count(":") > 1 else "%H:%M")
    digits = f".{lowered.microsecond:06d}"[: len(fraction) + 1].ljust(len(fraction) + 1, "0") if point else ""
    return f"{lowered.year:04d}{lowered.strftime(pattern.removeprefix('%Y'))}{digits}{text[11 + len(clock) :]}"


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _email(text: str) -> str:
    """The first character, and all that follows the last `@`; the caller has seen that there is one."""
    return f"{text[:1]}***@{text.rpartition('@')[2]}"
