"""The checks of a stream as they stand in the project file, and the word for its contract.

`config.project` has the keys; `guard.checks` turns each check into what looks at rows. Everything that can be wrong
without data is found here: bad patterns, bad SQL, ranges that nothing can be in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

import pyarrow as pa
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bief.batches.arrow import arrow, pc
from bief.batches.expressions import ExpressionError, columns_of
from bief.batches.parsing import parse
from bief.batches.schema import DATE, DATETIME, TIMESTAMP
from bief.config.closed import Closed

Contract = Literal["evolve", "freeze", "divert"]
Severity = Literal["reject", "fail", "warn"]

KINDS: Final = (
    "not_null",
    "unique",
    "accepted_values",
    "range",
    "regex",
    "relationship",
    "row_count",
    "freshness",
    "expression",
)
# They judge the table as a whole: there is no row to reject.
TABLE_KINDS: Final = frozenset({"row_count", "freshness"})
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_VALUES: Final = 10_000


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _once(value: list[str]) -> list[str]:
    if repeated := sorted({item for item in value if value.count(item) > 1}):
        raise PydanticCustomError("repeated", "names {names} more than once", {"names": ", ".join(repeated)})
    return value


def _pattern(value: str) -> str:
    try:
        pc.match_substring_regex(arrow.array([""]), value)
    except pa.ArrowInvalid as error:
        reason = str(error).partition("Invalid regular expression: ")[2] or str(error)
        raise PydanticCustomError(
            "pattern", "is not a regular expression of RE2: {reason}", {"reason": reason}
        ) from None
    return value


def _age(value: str) -> str:
    if _DURATION.fullmatch(value) is None:
        raise PydanticCustomError("duration", "must be a duration, such as 30m, 6h or 2d")
    return value


def _sql(value: str) -> str:
    try:
        columns_of(value)
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{reason}", {"reason": str(error)}) from None
    return value


Bound = date | datetime | Decimal


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or bound_of(value) is None:
        raise PydanticCustomError("bound", "must be a number, a date (2024-02-29) or a time (2024-02-29T12:00:00Z)")
    return value


def bound_of(value: float | str) -> Bound | None:
    """A limit of `range` as an exact value; None if it is neither a number nor a date nor a time."""
    if isinstance(value, int | float):
        return Decimal(repr(value))
    if (number := parse(value, pa.decimal128(38, 9))) is not None:
        return Decimal(number)
    for arrow_type in (DATE, TIMESTAMP, DATETIME):
        found: date | datetime | None = parse(value, arrow_type)
        if found is not None:
            return found
    return None


Column = Annotated[str, Field(min_length=1, examples=["email"])]
Columns = Annotated[
    list[Column],
    Field(min_length=1),
    AfterValidator(_once),
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]
Limit = Annotated[int | float | str, BeforeValidator(_bound, json_schema_input_type=int | float | str)]


class AcceptedValues(Closed):
    """A column has one of these values."""

    column: Column
    """The column, by its name in the table."""
    values: list[str | int | float | bool] = Field(min_length=1, max_length=_MAX_VALUES, examples=[["new", "paid"]])
    """The values that are accepted; null is accepted too (`not_null` refuses it)."""


class Range(Closed):
    """A number, a date or a time lies between two limits, which belong to the range."""

    column: Column
    """The column, by its name in the table."""
    min: Limit | None = Field(default=None, examples=[0, "2020-01-01"])
    """The least value: a number, a date or a time."""
    max: Limit | None = Field(default=None, examples=[100000, "2030-12-31"])
    """The greatest value. A date as the limit of a column of times includes the whole day (in UTC)."""

    @model_validator(mode="after")
    def _can_hold_something(self) -> Self:
        least, most = self.least, self.most
        if least is None and most is None:
            raise PydanticCustomError("range", "needs a min, a max, or both")
        if least is not None and most is not None:
            if isinstance(least, Decimal) != isinstance(most, Decimal):
                raise PydanticCustomError("range", "has a number and a date as its limits")
            if _comparable(least) > _comparable(most):
                raise PydanticCustomError("range", "can hold nothing: min is greater than max")
        return self

    @property
    def least(self) -> Bound | None:
        return None if self.min is None else bound_of(self.min)

    @property
    def most(self) -> Bound | None:
        return None if self.max is None else bound_of(self.max)


class Regex(Closed):
    """The text of a column matches a regular expression."""

    column: Column
    """The column, by its name in the table."""
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(examples=["^[^@]+@[^@]+$"])
    """The expression, in the syntax of RE2. It may match anywhere in the text: `^` and `$` tie it to its ends."""


class Relationship(Closed):
    """The value of a column stands in a column of another table."""

    column: Column
    """The column, by its name in the table."""
    to: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}\.[A-Za-z_][A-Za-z0-9_]*\Z", examples=["customers.id"])
    """The table and its column, in the same destination."""

    @property
    def table(self) -> str:
        return self.to.partition(".")[0]

    @property
    def key(self) -> str:
        return self.to.partition(".")[2]


class RowCount(Closed):
    """The table has so many rows when the round is complete."""

    min: int | None = Field(default=None, ge=0, examples=[1])
    """At least so many."""
    max: int | None = Field(default=None, ge=0)
    """At most so many."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.min is None and self.max is None:
            raise PydanticCustomError("range", "needs a min, a max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PydanticCustomError("range", "can never be: min is greater than max")
        return self


class Freshness(Closed):
    """The newest time in a column is not too old when the round is complete."""

    column: Column
    """A column of times or dates, by its name in the table."""
    max_age: Annotated[str, AfterValidator(_age)] = Field(examples=["6h", "2d"])
    """How old it may be: seconds (s), minutes (m), hours (h), days (d) or weeks (w)."""

    @property
    def age(self) -> timedelta:
        match = _DURATION.fullmatch(self.max_age)
        return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()


class CheckOptions(Closed):
    """A rule that the rows of a stream must keep: one of the nine kinds, its severity and its name."""

    not_null: Columns | None = Field(default=None, examples=[["id", "email"]])
    """These columns always have a value."""
    unique: Columns | None = Field(default=None, examples=[["id"]])
    """No two rows have the same values in these columns, taken together. A null is like nothing else."""
    accepted_values: AcceptedValues | None = None
    """A column has one of these values."""
    range: Range | None = None
    """A column lies between two values, both included."""
    regex: Regex | None = None
    """A text matches a regular expression."""
    relationship: Relationship | None = None
    """The value of a column stands in a column of another table of the same destination."""
    row_count: RowCount | None = None
    """The table has as many rows as it should, once the round is complete."""
    freshness: Freshness | None = None
    """The newest value of a column is not older than this, once the round is complete."""
    expression: Annotated[str, AfterValidator(_sql)] | None = Field(
        default=None, examples=["amount >= 0 OR kind = 'refund'"]
    )
    """An SQL expression over the columns of a row, in the dialect of DuckDB. As in a CHECK of SQL, a row passes if it
    is true or null."""
    severity: Severity | None = None
    """`reject`: the row goes to the quarantine, the others are loaded. `fail`: the load fails and nothing of it is
    committed. `warn`: everything is loaded; the receipt and the log count the rows. `reject` if it is not given, and
    `fail` for `row_count` and `freshness`, which cannot reject."""
    name: str | None = Field(
        default=None, pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}\Z", examples=["refunds_only_negative"]
    )
    """What the receipt and the quarantine call it; made of its kind and its columns if it is not given."""

    @model_validator(mode="after")
    def _is_one_check(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if not given:
            raise PydanticCustomError("check", "needs one of: {kinds}", {"kinds": ", ".join(KINDS)})
        if len(given) > 1:
            words = {"given": " and ".join(given)}
            raise PydanticCustomError("check", "has {given}: write each as a check of its own", words)
        if given[0] in TABLE_KINDS and self.severity == "reject":
            words = {"kind": given[0]}
            message = "cannot reject: {kind} judges the whole table, so its severity is fail or warn"
            raise PydanticCustomError("check", message, words)
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def is_of_table(self) -> bool:
        return self.kind in TABLE_KINDS

    @property
    def effective_severity(self) -> Severity:
        return self.severity or ("fail" if self.is_of_table else "reject")

    @property
    def columns(self) -> list[str]:
        """The columns of the stream's own table that the check looks at."""
        rule = getattr(self, self.kind)
        if self.kind == "expression":
            return columns_of(rule)
        return list(rule) if isinstance(rule, list) else [rule.column] if hasattr(rule, "column") else []


def names_of(checks: Sequence[CheckOptions]) -> list[str]:
    """The name of each check of a stream: its own, or its kind and columns, with a number if that is taken."""
    names = [check.name for check in checks]
    taken = {name for name in names if name}
    found = list[str]()
    for check, name in zip(checks, names, strict=True):
        wish = "_".join([check.kind, *([] if check.expression else check.columns)])
        given, number = name or wish, 1
        while not name and given in taken:
            number += 1
            given = f"{wish}_{number}"
        taken.add(given)
        found.append(given)
    return found


def _comparable(bound: Bound) -> Any:
    if isinstance(bound, Decimal):
        return bound
    moment = bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
