"""Masks: what remains to be seen of a value that nobody may read. Called by `batches.shaping`.

| mask    | `4111 1111 1111 1234` | `ada@example.com` | `secret` |
|---------|-----------------------|-------------------|----------|
| `last4` | `****1234`            | `****.com`        | `****`   |
| `email` | `****`                | `a***@example.com`| `****`   |
| `all`   | `****`                | `****`            | `****`   |

`last4` shows nothing of a text of less than 8 characters, `email` nothing of a text without an `@` after its first
character. The number of asterisks tells nothing. Sources that mask by themselves (`sources.database.hiding`) follow the
same rules.
"""

from __future__ import annotations

from typing import Final, Literal

from bief.batches.arrow import Column, arrow, pc
from bief.batches.schema import TEXT

Mask = Literal["last4", "email", "all"]
MASKED: Final = "****"
SHORTEST_WITH_LAST4: Final = 8
_LAST: Final = 4
# The first character, and all that follows the last `@`.
_EMAIL: Final = r"(?s)^(.).*@([^@]*)$"
_HIDDEN_NAME: Final = r"\1***@\2"


def masked(texts: Column, mask: Mask) -> Column:
    """The texts with the mask over them; null stays null."""
    if mask == "email":
        shown, reveals = (
            pc.replace_substring_regex(texts, _EMAIL, _HIDDEN_NAME),
            pc.match_substring_regex(texts, _EMAIL),
        )
    elif mask == "last4":
        shown = pc.binary_join_element_wise(MASKED, pc.utf8_slice_codeunits(texts, start=-_LAST), "")
        reveals = pc.greater_equal(pc.utf8_length(texts), SHORTEST_WITH_LAST4)
    else:
        shown = reveals = None
    hidden = pc.if_else(pc.is_valid(texts), arrow.scalar(MASKED, TEXT), arrow.scalar(None, TEXT))
    return hidden if reveals is None else pc.if_else(pc.fill_null(reveals, False), shown, hidden)  # noqa: FBT003 - pyarrow
