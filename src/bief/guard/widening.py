"""Which wider type a column of a table needs, so that numbers of a batch fit that do not fit yet.

Called by `guard.contract` for columns whose type is not declared.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bief.batches.arrow import Column, pc
from bief.batches.casting import cast_values
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
    if cast_values(column, known).null_count == column.null_count:
        return known
    old_whole, old_scale = (_INTEGER_DIGITS, 0) if known == INTEGER else (known.precision - known.scale, known.scale)
    whole, scale = _needed(column, old_whole, old_scale)
    # Nineteen digits are more than an integer has room for; every other type is described by its digits.
    beyond_integer = known == INTEGER and pa.types.is_decimal(column.type)
    if (whole, scale) == (old_whole, old_scale) and not beyond_integer:
        return known
    steps = [step for step in _SCALES if step >= scale and whole + step <= _DIGITS]
    if scale == old_scale or not steps:
        steps = [scale] if whole + scale <= _DIGITS else []
    return pa.decimal128(_DIGITS, steps[0]) if steps else known


def _needed(column: Column, whole: int, scale: int) -> tuple[int, int]:
    """How many digits before and after the point hold the old numbers and all new ones that can be helped."""
    old_whole, old_scale = whole, scale
    for value in pc.unique(column).to_pylist():
        number = None if value is None else Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number is None or not number.is_finite() or not number:
            continue
        exponent = int(number.normalize().as_tuple().exponent)
        more_whole, more_scale = max(old_whole, number.adjusted() + 1), max(old_scale, -exponent)
        # One absurd number is a misfit, and no reason to make misfits of all others.
        if more_whole + more_scale <= _DIGITS:
            whole, scale = max(whole, more_whole), max(scale, more_scale)
    return whole, scale
