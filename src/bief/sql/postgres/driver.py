"""The ADBC driver of PostgreSQL, with the few calls that Bief needs and in the form of DB-API.

`adbc_driver_postgresql.dbapi` has all of DB-API, and to have it for pandas and Polars too, imports both where they
are installed: a second and a half at each start. This is the same on the driver's own objects.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa

_BATCH_BYTES: Final = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value
_TARGET_SCHEMA: Final = adbc_driver_manager.StatementOptions.INGEST_TARGET_DB_SCHEMA.value
_TEMPORARY: Final = adbc_driver_manager.StatementOptions.INGEST_TEMPORARY.value


# A batch is encoded, then sent: no more than a socket holds, so that the server reads it while the next one is made.
_SENT_BYTES: Final = 32 * 2**10


class Connection:
    """A connection in autocommit mode. `adbc_connection` has `commit`, `rollback` and `set_autocommit`."""

    def __init__(self, url: str) -> None:
        self._database = adbc_driver_postgresql.connect(url)
        try:
            self.adbc_connection: Any = adbc_driver_manager.AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.adbc_connection.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Cursor:
    """One statement at a time. Used by one thread; to be closed, best by `with`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.adbc_statement: Any = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
        self._result: pa.RecordBatchReader | None = None

    def execute(self, sql: str, values: tuple[Any, ...] | None = None, *, batch_bytes: int | None = None) -> None:
        """Run one statement with the values of its `$1`, `$2`, …; `batch_bytes` is about the size of the result's
        batches."""
        self._forget()
        statement = self.adbc_statement
        statement.set_sql_query(sql)
        if batch_bytes is not None:
            statement.set_options(**{_BATCH_BYTES: str(batch_bytes)})
        if values:
            statement.prepare()
            columns = [pa.array([value]) for value in values]
            statement.bind(pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(values))]))
        handle, _ = statement.execute_query()
        self._result = pa.RecordBatchReader.from_stream(handle)

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """The result, batch by batch as the server sends it."""
        if self._result is None:
            raise ValueError("nothing was executed")
        return self._result

    def fetch_arrow_table(self) -> pa.Table:
        return self.fetch_record_batch().read_all()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows as Python values; none for a statement without a result."""
        found = self.fetch_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def adbc_ingest(self, table: str, rows: pa.Table, *, schema: str | None) -> int:
        """Add rows to a table by binary COPY; `schema` None means a temporary table. Gives how many were sent."""
        self._forget()
        place = {_TEMPORARY: "true"} if schema is None else {_TARGET_SCHEMA: schema}
        self.adbc_statement.set_options(
            **{
                adbc_driver_manager.INGEST_OPTION_TARGET_TABLE: table,
                adbc_driver_manager.INGEST_OPTION_MODE: adbc_driver_manager.INGEST_OPTION_MODE_APPEND,
                **place,
            }
        )
        self.adbc_statement.bind_stream(_in_small_batches(rows))
        return int(self.adbc_statement.execute_update())

    def close(self) -> None:
        self._forget()
        self.adbc_statement.close()

    def _forget(self) -> None:
        result, self._result = self._result, None
        if result is not None:
            result.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_small_batches(rows: pa.Table) -> pa.RecordBatchReader:
    bytes_per_row = max(1, rows.nbytes // max(1, rows.num_rows))
    at_once = max(1, _SENT_BYTES // bytes_per_row)
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=at_once))
