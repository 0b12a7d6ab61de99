"""What the project file says about a database and its streams, whatever the kind of database."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from bief.base.names import column_name
from bief.config.closed import Closed
from bief.config.streams import StreamOptions

DEFAULT_LOOKBACK_SECONDS: Final = 600.0
_CONTROL: Final = frozenset(map(chr, [*range(32), 127]))


def _identifier(value: str) -> str:
    if not value or _CONTROL & set(value):
        raise ValueError("a name in a database is not empty and holds no control character")
    return value


def _select(value: str) -> str:
    text = value.strip().rstrip(";").rstrip()
    if not text or "\x00" in text:
        raise ValueError("a query is one SELECT")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]


class DatabaseStream(StreamOptions):
    """One table, view or query."""

    table: Identifier | None = Field(default=None, examples=["orders"])
    """The table or view, exactly as the database spells it; the name of the stream if neither this nor `query` is
    given."""
    schema_: Identifier | None = Field(default=None, alias="schema", examples=["sales"])
    """The schema of the table, if it is not that of the source."""
    query: Annotated[str, AfterValidator(_select)] | None = Field(
        default=None, examples=["SELECT id, total FROM orders WHERE total > 0"]
    )
    """One SELECT in the database's own SQL, instead of a table. It is read whole or not at all."""
    cursor: Identifier | None = Field(default=None, examples=["updated_at"])
    """The column that grows with each change of a row. With it, later runs read only what has changed."""
    lookback_seconds: float = Field(default=DEFAULT_LOOKBACK_SECONDS, ge=0, examples=[3600])
    """How far a round goes back before the last one where the database cannot say which transactions were open. Rows
    that were committed later than that are missed."""
    lookback_numbers: int = Field(default=1000, ge=0, examples=[10_000])
    """How many numbers a round goes back, where the cursor is a number."""
    margin_seconds: float = Field(default=2.0, ge=0, le=86_400, examples=[60])
    """Where the database can say it: how far below the start of the oldest open transaction the next round begins. Two
    seconds cover what the clocks of the server may do; more is needed if applications set the cursor by their own
    clock."""
    cursor_timezone: str | None = Field(
        default=None, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,62}\Z", examples=["Europe/Paris"]
    )
    """The time zone of a cursor that is a date, or a time without zone: that of the sessions which write it. If it is
    not given, rounds begin twelve hours earlier, as no place is further behind UTC."""
    parallel: int = Field(default=1, ge=1, le=16, examples=[4])
    """How many connections read the table at once, each its own range of keys, all in the same snapshot."""
    batch_rows: int = Field(default=100_000, ge=1, le=1_000_000, examples=[20_000])
    """Most rows in one load."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.query is not None and (self.table is not None or self.schema_ is not None):
            raise ValueError("a stream has a `table` or a `query`, not both")
        if self.query is not None and self.parallel > 1:
            raise ValueError("a query is read by one connection: leave `parallel` out")
        shape = self.shape()
        if self.cursor is not None and shape.hides(column_name(self.cursor)):
            raise ValueError(f"the cursor `{self.cursor}` is stored in the position: it cannot be dropped or hidden")
        return self


class DatabaseOptions(Closed):
    """What all databases have in common. The kinds add how they are reached."""

    streams: dict[str, DatabaseStream] = Field(min_length=1, examples=[{"orders": {"primary_key": "id"}}])
    """What is read, by the name of the stream."""
    max_attempts: int = Field(default=5, ge=1, le=100, examples=[5])
    """How often a read is taken up again after the connection was lost, without a row in between."""
