"""Type modifiers of numeric, and the decimals that hold what has none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bief.batches.schema import TEXT
from bief.sources.database.postgres_types import decimal_of, open_decimal, quoted


def modifier(precision, scale):
    return ((precision << 16) | (scale & 0x7FF)) + 4


@pytest.mark.parametrize(
    ("precision", "scale", "expected"),
    [
        (12, 2, pa.decimal128(12, 2)),
        (38, 38, pa.decimal128(38, 38)),
        (3, 5, pa.decimal128(5, 5)),
        (3, -2, pa.decimal128(5, 0)),
        (39, 0, None),
        (38, -1, None),
        (1000, 1000, None),
    ],
)
def test_a_modifier_is_read(precision, scale, expected):
    assert decimal_of(modifier(precision, scale)) == expected


def test_no_modifier_is_no_decimal():
    assert decimal_of(-1) is None


@pytest.mark.parametrize(
    ("scale", "whole", "expected"),
    [
        (9, 29, pa.decimal128(38, 9)),
        (10, 20, pa.decimal128(38, 18)),
        (9, 30, TEXT),
        (18, 21, TEXT),
        (19, 1, TEXT),
        (0, 1, pa.decimal128(38, 9)),
    ],
)
def test_the_first_decimal_that_holds_all_digits(scale, whole, expected):
    assert open_decimal(scale, whole) == expected


def test_a_quote_in_a_name_is_doubled():
    assert quoted('a"; DROP TABLE x;--') == '"a""; DROP TABLE x;--"'
