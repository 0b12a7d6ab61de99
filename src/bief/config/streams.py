"""Options that every stream of every source has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bief.batches.masking import Mask
from bief.batches.schema import type_named
from bief.batches.shaping import ColumnRule, Shape
from bief.config.closed import Closed

__all__ = ["Closed", "ColumnOptions", "StreamOptions", "TypeName"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _known_type(value: str) -> str:
    type_named(value)
    return value


TypeName = Annotated[
    str,
    AfterValidator(_known_type),
    Field(examples=["text", "integer", "decimal(18,2)", "timestamp", "json"]),
]


class ColumnOptions(Closed):
    """What happens to one column."""

    type: TypeName | None = None
    """Cast to this type: text, integer, float, decimal(p,s), boolean, date, timestamp, datetime, json or binary."""
    rename: str | None = None
    """The name in the table."""
    hash: Literal["sha256"] | None = None
    """Put the SHA-256 of the value in its place, so that equal values stay equal and nobody can read them."""
    mask: Mask | None = Field(default=None, examples=["last4"])
    """Show a part of the value only: `last4` (`****1234`), `email` (`a***@example.com`) or `all` (`****`)."""
    drop: bool = False
    """Leave the column out: it is dropped before anything is written, also from rejected rows."""


def _column_in_short(value: Any) -> Any:
    if value == "drop":
        return {"drop": True}
    return {"type": value} if isinstance(value, str) else value


class StreamOptions(Closed):
    """Options of a stream, whatever its source."""

    primary_key: Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = Field(
        default=[], examples=["id", ["country", "day"]]
    )
    """The column, or columns, that name a row. Needed by the modes merge and history."""
    trim: bool = False
    """Remove white space around every text."""
    deduplicate: bool = False
    """Load rows that are equal in every column once."""
    columns: dict[
        str, Annotated[ColumnOptions, BeforeValidator(_column_in_short, json_schema_input_type=str | ColumnOptions)]
    ] = Field(default={}, examples=[{"amount": "decimal(18,2)", "password": "drop", "email": {"hash": "sha256"}}])
    """What happens to single columns, by their name in the table (`customer__id` for `customer.id`): a type,
    `drop`, or a mapping with `type`, `rename`, `hash`, `mask` and `drop`."""

    def shape(self) -> Shape:
        """The shaping that these options ask for."""
        return Shape(
            trim=self.trim,
            deduplicate=self.deduplicate,
            columns={name: _rule(options) for name, options in self.columns.items()},
        )


def _rule(options: ColumnOptions) -> ColumnRule:
    return ColumnRule(
        type=type_named(options.type) if options.type else None,
        rename=options.rename,
        hash=options.hash is not None,
        drop=options.drop,
        mask=options.mask,
    )
