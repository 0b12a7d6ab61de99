"""Row-exact refusals under bulk load: when the database refuses a part, find the rows that it means.

The contract has seen to types; what is left are rules that only the database knows (a CHECK of the user, a foreign
key, a second unique index, a number that its type cannot hold). Called by `sql.loading`.
"""

from __future__ import annotations

from typing import Final

from bief.batches.batch import RejectedRow
from bief.errors import DestinationRefused, RowsRefused
from bief.ports.destination import Load, Written
from bief.sql.session import Session
from bief.sql.writing import Writer

# Each refused row costs about fifteen statements: a part with more of them is no matter of single rows.
_MOST: Final = 1000


def write_or_refuse(session: Session, writer: Writer, load: Load) -> Written:
    """Write the rows of a part; those that the database refuses become rejected rows, all others are written.

    Raises the refusal itself where `load.refuse` makes no rejected rows, or where more than a thousand are refused.
    """
    if load.rows.num_rows == 0:
        return writer.write(load.rows)
    search = _Search(session, writer, load)
    search.write(0, load.rows.num_rows)
    return Written(loaded=search.loaded, superseded=search.superseded, refused=tuple(search.refused))


def may_refuse(session: Session, table: str) -> bool:
    """Whether the table may have rules that Bief did not make, and a refused statement can be taken back alone: not in
    DuckDB, where it ends its transaction. Elsewhere rows go the straight way, and a refusal fails the load."""
    dialect = session.dialect
    if not dialect.takes_back_statements or not dialect.rules_query:
        return dialect.takes_back_statements
    return bool(session.rows(dialect.rules_query, *dialect.catalog_values(table))[0][0])


class _Search:
    """Halves the rows until the refused ones stand alone; what is not refused is written on the way."""

    def __init__(self, session: Session, writer: Writer, load: Load) -> None:
        self._session = session
        self._writer = writer
        self._load = load
        self.loaded = 0
        self.superseded = 0
        self.refused: list[RejectedRow] = []

    def write(self, start: int, count: int) -> None:
        """Write these rows, or find out which of them are refused."""
        try:
            written = self._session.attempt(lambda: self._writer.write(self._load.rows.slice(start, count)))
        except RowsRefused as refusal:
            if count == 1:
                self._refuse(start, refusal)
                return
            half = count // 2
            self.write(start, half)
            self.write(start + half, count - half)
        else:
            self.loaded += written.loaded
            self.superseded += written.superseded

    def _refuse(self, place: int, refusal: DestinationRefused) -> None:
        row = self._load.refuse(place, refusal.what)
        if row is None or len(self.refused) == _MOST:
            raise refusal
        self.refused.append(row)
