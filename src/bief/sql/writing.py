"""How the rows of a load get into a table, in each of the four modes. Called by `sql.loading`.

Each function says one or two sentences of `sql.statements` and gives back what the database counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from bief.batches.schema import TIMESTAMP
from bief.ports.destination import Target, Written
from bief.sql import statements
from bief.sql.session import Session
from bief.sql.tables import Table

STAGE: Final = "bief_stage"
_GONE: Final = "bief_gone"


class Writer:
    """Writes rows of one target into one table (the table itself, or the staging table of a round)."""

    def __init__(self, session: Session, target: Target, table: Table, load_id: int) -> None:
        self._session = session
        self._dialect = session.dialect
        self._target = target
        self.table = table
        self._load_id = load_id

    def write(self, rows: pa.Table) -> Written:
        """Write the rows by the rules of the mode."""
        if rows.num_rows == 0:
            return Written()
        match self._target.mode:
            case "append" if self._target.primary_key and self._target.version_column in rows.column_names:
                return self._append_unseen(rows)
            case "append" | "replace":
                return self._append(rows)
            case "merge":
                return self._merge(rows)
            case "history":
                return self._history(rows)

    def delete(self, keys: pa.Table) -> int:
        """Take away the rows with these keys; history closes their versions. Append keeps all it was ever shown."""
        if keys.num_rows == 0 or self._target.mode == "append":
            return 0
        self._session.stage(_GONE, keys.select(list(self._target.primary_key)))
        sentence = statements.CLOSE_KEYS if self._target.mode == "history" else statements.DELETE_KEYS
        return self._session.write(
            sentence.format(
                into=self._dialect.table(self.table.name),
                key=self._dialect.names(self._target.primary_key),
                stage=self._dialect.temporary(_GONE),
                now=self._dialect.now,
            )
        )

    def _append(self, rows: pa.Table) -> Written:
        if self.table.exact:
            return Written(self._session.append(self.table.name, rows, self._load_id))
        return self._staged(rows, statements.INSERT_STAGED, self._words(rows))

    def _append_unseen(self, rows: pa.Table) -> Written:
        words = self._words(rows)
        version = self._target.version_column or ""
        words["version_differs"] = self._dialect.differs(
            f"t.{self._dialect.quote(version)}", f"s.{self._dialect.quote(version)}"
        )
        return self._staged(rows, statements.INSERT_UNSEEN, words)

    def _merge(self, rows: pa.Table) -> Written:
        if self.table.exact and self._is_empty():
            # No key can be there yet, and the rows of one load have a key each: the short way is the same.
            return self._append(rows)
        if self._dialect.merge_statement:
            words = self._words(rows) | {"assignments": self._assignments(rows, "s"), "guard": self._guard("s", "AND")}
            return self._staged(rows, statements.MERGE, words)
        words = self._words(rows) | {
            "assignments": self._assignments(rows, "excluded"),
            "guard": self._guard("excluded", "WHERE"),
        }
        return self._staged(rows, statements.UPSERT, words)

    def _history(self, rows: pa.Table) -> Written:
        """Close the versions that differ, then open one for every key that has no current version."""
        words = self._words(rows)
        moment = self._moment(rows)
        words |= {
            "guard": self._guard("s", "AND"),
            "changed": self._changed(rows),
            "valid_to": f"CASE WHEN t.valid_from > {moment} THEN t.valid_from ELSE {moment} END",
            "valid_from": moment,
            "or_newer": self._newer(rows),
        }
        self._session.stage(STAGE, rows)
        self._session.write(statements.CLOSE_CHANGED.format(**words))
        loaded = self._session.write(statements.OPEN_VERSIONS.format(**words), self._load_id)
        return Written(loaded, self._count_staged() - loaded)

    def _staged(self, rows: pa.Table, sentence: str, words: Mapping[str, str]) -> Written:
        self._session.stage(STAGE, rows)
        loaded = self._session.write(sentence.format(**words), self._load_id)
        return Written(loaded, self._count_staged() - loaded)

    def _is_empty(self) -> bool:
        return not self._session.rows(statements.ANY_ROW.format(table=self._dialect.table(self.table.name)))

    def _count_staged(self) -> int:
        sentence = statements.COUNT.format(table=self._dialect.temporary(STAGE))
        return int(self._session.rows(sentence)[0][0])

    def _words(self, rows: pa.Table) -> dict[str, str]:
        dialect, key = self._dialect, self._target.primary_key
        return {
            "into": dialect.table(self.table.name),
            "stage": dialect.temporary(STAGE),
            "columns": dialect.names(rows.column_names),
            "staged": dialect.names(rows.column_names, "s"),
            "key": dialect.names(key),
            "same_key": " AND ".join(f"t.{dialect.quote(name)} = s.{dialect.quote(name)}" for name in key),
            "now": dialect.now,
        }

    def _assignments(self, rows: pa.Table, new: str) -> str:
        """Every column of the table gets the new value, or NULL where the load has no such column."""
        given, dialect = set(rows.column_names), self._dialect
        return ", ".join(
            f"{dialect.quote(name)} = " + (f"{new}.{dialect.quote(name)}" if name in given else "NULL")
            for name in self.table.columns
            if name not in self._target.primary_key
        ) or self._dialect.names(self._target.primary_key[:1]) + f" = {new}." + self._dialect.names(
            self._target.primary_key[:1]
        )

    def _guard(self, new: str, word: str) -> str:
        """The condition that an older version never replaces a newer one."""
        version = self._target.version_column
        if version is None or version not in self.table.columns:
            return ""
        old_value = self._ordered("t", version)
        return f"{word} ({old_value} IS NULL OR {old_value} <= {self._ordered(new, version)})"

    def _newer(self, rows: pa.Table) -> str:
        """History: a version that came later was closed already (deleted), so this one must not come back."""
        version = self._target.version_column
        if version is None or version not in rows.column_names:
            return ""
        return f"OR {self._ordered('t', version)} > {self._ordered('s', version)}"

    def _changed(self, rows: pa.Table) -> str:
        given, dialect = set(rows.column_names), self._dialect
        return (
            " OR ".join(
                dialect.differs(f"t.{dialect.quote(name)}", f"s.{dialect.quote(name)}" if name in given else "NULL")
                for name in self.table.columns
                if name not in self._target.primary_key
            )
            or "FALSE"
        )

    def _moment(self, rows: pa.Table) -> str:
        """When a version begins: its own time stamp if the version column is one, else the time of the load."""
        version = self._target.version_column
        if version is None or version not in rows.column_names or self.table.columns.get(version) != TIMESTAMP:
            return self._dialect.now
        return f"COALESCE(s.{self._dialect.quote(version)}, {self._dialect.now})"

    def _ordered(self, alias: str, column: str) -> str:
        return self._dialect.ordered(f"{alias}.{self._dialect.quote(column)}", self.table.columns[column])
