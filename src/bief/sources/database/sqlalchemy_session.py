"""One connection by SQLAlchemy. Implements `session.Session`; statements are made by SQLAlchemy's own expressions."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bief.base.secrets import Redactor, Secret
from bief.errors import SourceError, SourceMisread, SourceRefused, SourceUnavailable
from bief.sources.database.options import DatabaseStream
from bief.sources.database.python_values import batch_of, text_of
from bief.sources.database.relations import Bound, Column, Measure, Range, Relation, Selection
from bief.sources.database.session import Watermark
from bief.sources.database.sqlalchemy_types import ORDERED, Seen, column_of, value_of

_ROWS: Final = 10_000
_LEVELS: Final = {"mssql": None, "oracle": "SERIALIZABLE", "sqlite": "SERIALIZABLE"}


class Engine:
    """The engine of a source, made when it is first needed: making it imports SQLAlchemy and the driver."""

    def __init__(self, name: str, url: Secret, isolation: str | None, redactor: Redactor) -> None:
        self.name = name
        self._url = url
        self._isolation = isolation
        self._redactor = redactor
        self._engine: Any = None

    def connect(self) -> Any:
        """A new connection. Raises `SourceError`."""
        try:
            alchemy = importlib.import_module("sqlalchemy")
        except ImportError:
            what = "Reading by SQLAlchemy needs a package that is not installed."
            raise SourceRefused(what, do="Run: pip install 'bief[sqlalchemy]'") from None
        with self.speaking():
            try:
                if self._engine is None:
                    self._engine = alchemy.create_engine(self._url.reveal(), poolclass=alchemy.pool.NullPool)
                    password = self._engine.url.password
                    self._redactor.learn(str(password or ""))
            except (alchemy.exc.ArgumentError, ImportError) as error:
                what = self._redactor.clean(f"{error}").rstrip(".")
                do = "Correct `url`, or install the driver that it names."
                raise SourceRefused(f"{what}.", where=self.name, do=do) from None
            return self._engine.connect()

    def level(self) -> str | None:
        """The isolation level of reads."""
        return self._isolation or _LEVELS.get(self._engine.dialect.name, "REPEATABLE READ")

    def dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Errors of SQLAlchemy as ours."""
        errors = importlib.import_module("sqlalchemy").exc
        try:
            yield
        except errors.SQLAlchemyError as error:
            raise self._as_source(error, errors) from None

    def _as_source(self, error: Any, errors: Any) -> SourceError:
        # The text of the error itself would show the statement and its values.
        cause = getattr(error, "orig", None) or error
        what = self._redactor.clean(" ".join(str(cause).split())).rstrip(".")
        is_passing = getattr(error, "connection_invalidated", False) or isinstance(error, errors.InterfaceError)
        if is_passing or (isinstance(error, errors.OperationalError) and error.statement is None):
            return SourceUnavailable(f"{what}.", where=self.name)
        return SourceRefused(f"{what}.", where=self.name, do="Correct the stream, or the rights of the user.")


class SqlalchemySession:
    """See `session.Session`. Nothing is ever committed."""

    def __init__(self, engine: Engine, schema: str | None) -> None:
        self._engine = engine
        self._schema = schema
        self._connection: Any = engine.connect()
        self._alchemy: Any = importlib.import_module("sqlalchemy")
        self._from: Any = None
        self._columns: dict[str, Any] = {}

    def describe(self, stream: str, options: DatabaseStream) -> Relation:
        alchemy = self._alchemy
        with self._engine.speaking():
            if options.query is not None:
                self._from = alchemy.text(f"({options.query}\n) bief_rows")
                asked = alchemy.select(alchemy.literal_column("*")).select_from(self._from).limit(0)
                names = list(self._connection.execute(asked).keys())
                self._columns = {name: alchemy.column(name) for name in names}
                columns = tuple(column_of(name, alchemy.types.NullType()) for name in names)
                return Relation(name=f"the query of {stream}", sql="", columns=columns)
            schema, name = options.schema_ or self._schema, options.table or stream
            try:
                table = alchemy.Table(name, alchemy.MetaData(), schema=schema, autoload_with=self._connection)
            except alchemy.exc.NoSuchTableError:
                raise self._unknown(schema, name) from None
        self._from, self._columns = table, {column.name: column for column in table.columns}
        columns = tuple(column_of(column.name, column.type) for column in table.columns)
        ordered = {
            each.name for each in columns if not each.undecided and any(is_kind(each.type) for is_kind in ORDERED)
        }
        key = tuple(column.name for column in table.primary_key.columns)
        return Relation(str(table), "", columns, key if set(key) <= ordered else ())

    def watermark(self, cursor: Column, options: DatabaseStream) -> Watermark:
        if cursor.undecided:
            what = f"the type of the cursor {cursor.name} is not known before it is read."
            raise SourceRefused(what, do="Read a table or a view, whose columns SQLAlchemy can reflect.")
        return Watermark(known=False)

    def lookback(self, cursor: Column, options: DatabaseStream) -> str:
        is_time = pa.types.is_timestamp(cursor.type) or pa.types.is_date(cursor.type)
        return str(options.lookback_seconds if is_time else options.lookback_numbers)

    def begin(self) -> None:
        with self._engine.speaking():
            self._connection.rollback()
            level = self._engine.level()
            if level is not None:
                self._connection = self._connection.execution_options(isolation_level=level)
            self._connection.begin()

    def measure(self, selection: Selection, cursor: Column) -> Measure:
        alchemy, column = self._alchemy, self._columns[cursor.name]
        count = alchemy.func.count
        reached = self._condition(selection)
        reached = column.isnot(None) if reached is None else reached
        asked = alchemy.select(
            count(alchemy.case((reached, 1))),
            count(alchemy.case((column.is_(None), 1))),
            alchemy.func.max(alchemy.case((reached, column), else_=None)),
        ).select_from(self._from)
        with self._engine.speaking():
            rows, without, greatest = self._connection.execute(asked).one()
        return Measure(rows, without, None if greatest is None else text_of(greatest))

    def settled(self, selection: Selection) -> Selection:
        """Columns of unknown type get the type of their values, by one look at all of them."""
        undecided = {place: Seen() for place, column in enumerate(selection.columns) if column.undecided}
        if not undecided:
            return selection
        for rows in self._rows(selection):
            for row in rows:
                for place, seen in undecided.items():
                    seen.look(row[place])
        columns = list(selection.columns)
        for place, seen in undecided.items():
            columns[place] = replace(columns[place], type=seen.type())
        return replace(selection, columns=tuple(columns))

    def ranges(self, selection: Selection, parts: int) -> Sequence[Range]:
        return [Range()]

    def beside(self) -> SqlalchemySession:
        raise SourceRefused("by SQLAlchemy a table is read by one connection.", do="Take `parallel` out.")

    def batches(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        for rows in self._rows(selection):
            yield batch_of(rows, selection.columns, len(selection.key_texts))

    def close(self) -> None:
        with suppress(self._alchemy.exc.SQLAlchemyError):
            self._connection.close()

    def _rows(self, selection: Selection) -> Iterator[Sequence[Any]]:
        asked = self._alchemy.select(
            *(self._columns[column.name] for column in selection.columns),
            *(
                self._columns[column.name].label(f"bief_key_{place}")
                for place, column in enumerate(selection.key_texts)
            ),
        ).select_from(self._from)
        condition = self._condition(selection)
        if condition is not None:
            asked = asked.where(condition)
        asked = asked.order_by(*(self._columns[column.name] for column in selection.key)).limit(selection.limit)
        with self._engine.speaking():
            options = {"stream_results": True, "max_row_buffer": _ROWS}
            result = self._connection.execute(asked, execution_options=options)
        try:
            while True:
                with self._engine.speaking():
                    rows = result.fetchmany(_ROWS)
                if not rows:
                    return
                yield rows
        finally:
            result.close()

    def _condition(self, selection: Selection) -> Any:
        """The WHERE of a selection; None for all rows."""
        found = []
        if selection.bound is not None:
            found.append(self._columns[selection.bound.column.name] >= _lowered(selection.bound))
        if selection.range.after is not None:
            found.append(self._after(selection.key, selection.range.after))
        if selection.range.up_to is not None:
            found.append(self._alchemy.not_(self._after(selection.key, selection.range.up_to)))
        return self._alchemy.and_(*found) if found else None

    def _after(self, key: Sequence[Column], texts: Sequence[str]) -> Any:
        """(a, b) > (1, 2) written out: a > 1, or a = 1 and b > 2."""
        columns = [self._columns[column.name] for column in key]
        values = [_value(text, column) for text, column in zip(texts, key, strict=True)]
        and_, or_ = self._alchemy.and_, self._alchemy.or_
        return or_(
            *(
                and_(*(columns[i] == values[i] for i in range(place)), columns[place] > values[place])
                for place in range(len(key))
            )
        )

    def _unknown(self, schema: str | None, name: str) -> SourceError:
        inspector = self._alchemy.inspect(self._connection)
        known = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
        similar = [each for each in known if each.lower() == name.lower()] or known[:8]
        do = f"There is {', '.join(similar)}." if similar else "Correct `table` and `schema`."
        return SourceRefused(f"there is no table or view {f'{schema}.' if schema else ''}{name}.", do=do)


def _value(text: str, column: Column) -> Any:
    try:
        return value_of(text, column)
    except (ValueError, ArithmeticError):
        raise SourceMisread(
            f"the position holds {text!a}, which is no value of {column.name}.", do="Run with --full-refresh."
        ) from None


def _lowered(bound: Bound) -> Any:
    value = _value(bound.text, bound.column)
    if not bound.lookback or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value - int(bound.lookback)
    if isinstance(value, Decimal):
        return value - Decimal(bound.lookback)
    if isinstance(value, float):
        return value - float(bound.lookback)
    return value - timedelta(seconds=float(bound.lookback))
