"""Which wider type a column of a table needs, so that numbers of a batch fit that do not fit yet.

Called by `guard.contract` for columns whose type is not declared.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, pc
from bief.batches.casting import cast_column
from bief.batches.schema import FLOAT, INTEGER

_DIGITS: Final = 38
_INTEGER_DIGITS: Final = 19
# Few steps, so that a table is not rewritten for every further digit after the point.
_SCALES: Final = (0, 9, 18)


def wider(known: Any, column: Column) -> Any:
    """The type that column `known` must get to hold all values of `column` too; `known` itself if that is not needed,
    or if no type holds all the old values and all the new ones (those that do not fit are misfits then).
    """
    is_number = column.type in {INTEGER, FLOAT} or pa.types.is_decimal(column.type)
    can_widen = known == INTEGER or pa.types.is_decimal(known)
    if not (is_number and can_widen) or column.type == known:
        return known
    if not pc.any(cast_column(column, known)[1]).as_py():
        return known
    whole, scale = (_INTEGER_DIGITS, 0) if known == INTEGER else (known.precision - known.scale, known.scale)
    needed_whole, needed_scale = _digits(column)
    whole, scale = max(whole, needed_whole), max(scale, needed_scale)
    steps = [step for step in (*_SCALES, scale) if step >= scale and whole + step <= _DIGITS]
    return pa.decimal128(_DIGITS, min(steps)) if steps else known


def _digits(column: Column) -> tuple[int, int]:
    """How many digits the column's numbers have at most, before the point and after it."""
    whole = scale = 0
    for value in pc.unique(column).to_pylist():
        number = None if value is None else Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number is not None and number.is_finite() and number:
            exponent = number.normalize().as_tuple().exponent
            whole = max(whole, number.adjusted() + 1)
            scale = max(scale, -exponent if isinstance(exponent, int) else 0)
    return whole, scale
