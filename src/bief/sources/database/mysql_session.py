"""One connection to MySQL or MariaDB that only reads. Implements `session.Session`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import arrow
from bief.batches.schema import BINARY, INTEGER, TEXT
from bief.errors import SourceMisread, SourceRefused
from bief.sources.database.mysql_catalog import relation_of
from bief.sources.database.mysql_driver import Server
from bief.sources.database.mysql_types import Choices, bound, quoted
from bief.sources.database.options import DatabaseStream
from bief.sources.database.relations import Column, Measure, Range, Relation, Selection
from bief.sources.database.session import Watermark
from bief.sources.database.statements import KEY_PREFIX, Words, measure, select

WORDS: Final = Words(quote=quoted, bound=bound, text=lambda sql: f"CAST({sql} AS CHAR)", row_values=False)
_ROWS: Final = 20_000
_SETTINGS: Final = (
    "SET time_zone = '+00:00'",
    # A read waits for its destination: the server must not give up meanwhile.
    "SET SESSION net_write_timeout = 86400",
    "SET SESSION wait_timeout = 86400",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
)
_TIMES: Final = frozenset({"DATE", "DATETIME(6)"})
_NUMBERS: Final = frozenset({"SIGNED", "UNSIGNED", "DECIMAL"})


class MysqlSession:
    """See `session.Session`."""

    def __init__(self, server: Server, choices: Choices) -> None:
        self._server = server
        self._choices = choices
        self._connection = server.connect()
        for setting in _SETTINGS:
            self._connection.ask(setting)

    def describe(self, stream: str, options: DatabaseStream) -> Relation:
        return relation_of(self._connection, stream, options, self._server.address.database, self._choices)

    def watermark(self, cursor: Column, options: DatabaseStream) -> Watermark:
        """The server does not say since when other transactions are open, to those who may only read tables."""
        if cursor.type_sql not in _TIMES | _NUMBERS:
            warning = f"The cursor `{cursor.name}` is neither a time nor a number: rows committed late can be missed."
            return Watermark(known=False, warnings=(warning,))
        return Watermark(known=False)

    def lookback(self, cursor: Column, options: DatabaseStream) -> str:
        if cursor.type_sql in _TIMES:
            return f"INTERVAL {options.lookback_seconds:.6f} SECOND"
        return str(options.lookback_numbers) if cursor.type_sql in _NUMBERS else ""

    def begin(self) -> None:
        self._connection.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def measure(self, selection: Selection, cursor: Column) -> Measure:
        rows, without, greatest = self._connection.ask(measure(selection, cursor, WORDS))[0]
        return Measure(int(rows), int(without), greatest)

    def settled(self, selection: Selection) -> Selection:
        return selection

    def ranges(self, selection: Selection, parts: int) -> Sequence[Range]:
        return [Range()]

    def beside(self) -> MysqlSession:
        raise SourceRefused(
            "two connections to MySQL or MariaDB cannot see the same snapshot.", do="Take `parallel` out."
        )

    def batches(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        keys = len(selection.key_texts)
        names = [column.name for column in selection.columns] + [f"{KEY_PREFIX}{place}" for place in range(keys)]
        types = [column.type for column in selection.columns] + [TEXT] * keys
        for columns in self._connection.stream(select(selection, WORDS), _ROWS):
            arrays = [_array(*each) for each in zip(columns, types, names, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=names)

    def close(self) -> None:
        self._connection.close()


def _array(values: Sequence[bytes | None], to: pa.DataType, name: str) -> Any:
    """Bytes, whole numbers, or the texts that the server sent for whatever else."""
    array = arrow.array(values, BINARY)
    if to == BINARY:
        return array
    try:
        texts = array.cast(TEXT)
    except pa.ArrowInvalid:
        raise SourceMisread(
            f"the column {name} holds bytes that are no text.", do="Select it as CAST(… AS BINARY) in a `query`."
        ) from None
    return texts.cast(INTEGER) if to == INTEGER else texts
