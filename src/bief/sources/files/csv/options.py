"""What the project file says about CSV files."""

from __future__ import annotations

import codecs
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from bief.config.closed import Closed

MAX_FIELD_BYTES: Final = 16 * 2**20
# What a table of PostgreSQL can hold.
MAX_COLUMNS: Final = 1600
_FIRST_VISIBLE: Final = 0x20
_LAST_ASCII: Final = 0x7F


def _mark(value: str) -> str:
    """One character that cannot be part of a line end, nor of a letter that takes several bytes."""
    is_mark = len(value) == 1 and (value == "\t" or _FIRST_VISIBLE <= ord(value) < _LAST_ASCII)
    if not is_mark or value.isalnum():
        raise ValueError("must be one ASCII character that is neither a letter nor a digit")
    return value


def _quote(value: str) -> str:
    return value if value == "" else _mark(value)


def _encoding(value: str) -> str:
    try:
        name = codecs.lookup(value).name
        is_text = isinstance("a".encode(name).decode(name), str)
    except (LookupError, UnicodeError) as error:
        raise ValueError("is not an encoding; well-known ones are utf-8, utf-16, cp1252, latin-1 and cp850") from error
    if not is_text:
        raise ValueError("is not an encoding of texts")
    return name


def _pattern(value: str) -> str:
    if "%" not in value:
        raise ValueError("looks like %d/%m/%Y, or %d.%m.%Y %H:%M")
    return value


Mark = Annotated[str, AfterValidator(_mark)]


class CsvOptions(Closed):
    """How a CSV file is written. What is not given is found out, or is as in RFC 4180."""

    delimiter: Mark | None = Field(default=None, examples=[";", "\t"])
    """What stands between two fields. Without it, the comma, semicolon, tab or bar that the first rows agree on."""
    quote: Annotated[str, AfterValidator(_quote)] = Field(default='"', examples=["'"])
    """What a field that holds a delimiter or a line end stands in; inside, it is doubled. Empty: no quotes."""
    escape: Mark | None = Field(default=None, examples=["\\"])
    """A character that takes the special meaning from the next one."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = Field(default=None, examples=["cp1252", "utf-16-le"])
    """How characters are written as bytes. Without it UTF-8, or UTF-16 if the file begins with its mark."""
    header: StrictBool | list[str] = Field(default=True, examples=[False, ["id", "name", "amount"]])
    """Whether the first row has the names of the columns. If not, they are `column_1`, `column_2` and so on, or as
    given in a list."""
    skip_lines: int | None = Field(default=None, ge=0, le=10_000, examples=[3])
    """Lines to leave out at the beginning, before the header. Without it, lines before the header that are empty or
    have no delimiter are left out, with a warning."""
    comment: Mark | None = Field(default=None, examples=["#"])
    """Lines that begin with this character are left out."""
    null_values: list[str] = Field(default=[""], examples=[["", "NULL", "\\N"]])
    """Fields that mean no value, if they stand without quotes."""
    quoted_nulls: bool = False
    """Whether `null_values` also mean no value where they stand in quotes: for programs that quote everything."""
    decimal_mark: Literal[".", ","] = "."
    """What numbers have before their fractions."""
    thousands_mark: Literal[",", ".", " ", "'", "_"] | None = None
    """What numbers may have between groups of three digits."""
    formats: dict[str, Annotated[str, AfterValidator(_pattern)]] = Field(
        default={}, examples=[{"ordered_on": "%d/%m/%Y"}]
    )
    """How dates and times of a column are written if not as in ISO 8601: a `strptime` pattern, by the name of the
    column in the table. A row with another text there is rejected."""
    short_rows: Literal["reject", "pad"] = "reject"
    """What becomes of a row with fewer fields than the header: `pad` takes those that are missing as no value."""
    nul: Literal["reject", "strip"] = "reject"
    """What becomes of a row with a NUL character, which most databases cannot store: `strip` takes it out."""
    dedupe_headers: bool = False
    """Whether a name that the header has twice gets a number (`name_2`). If not, such a file is an error."""
    allow_empty: bool = False
    """Whether a file without any row, not even a header, is no error."""
    max_field_bytes: int = Field(default=MAX_FIELD_BYTES, ge=1, le=256 * 2**20, examples=[1048576])
    """The largest field. A row with a larger one is rejected."""
    max_columns: int = Field(default=MAX_COLUMNS, ge=1, le=100_000, examples=[100])
    """The most columns that a file may have; PostgreSQL holds 1600."""

    @model_validator(mode="after")
    def _fits_together(self) -> CsvOptions:
        marks = [mark for mark in (self.delimiter, self.quote, self.escape, self.comment) if mark]
        problem = ""
        if len(set(marks)) < len(marks):
            problem = "`delimiter`, `quote`, `escape` and `comment` must differ"
        elif self.decimal_mark == self.thousands_mark:
            problem = "`decimal_mark` and `thousands_mark` must differ"
        elif isinstance(self.header, list) and not self.header:
            problem = "`header` is true, false or the names of the columns"
        elif self.quote and any(self.quote in text for text in self.null_values):
            problem = "`null_values` cannot hold the quote: they stand without quotes"
        if problem:
            raise PydanticCustomError("csv", "{problem}", {"problem": problem})
        return self
