"""For the tests of connectors, built-in ones and plug-ins: the promises of the ports, as tests that pytest collects.

`source_suite` has them; docs/plug-ins.md shows a test file that uses it. Nothing here imports pytest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bief.ports.source import Source

CANARY: Final = "canary-of-a-secret"
"""The secret of every offer that needs one: the suite looks for it where no secret may be."""


@dataclass(frozen=True)
class Offer:
    """An open source, one of its streams, and the values of the column `id` that a full read gives, in order.

    `batches`: the least number of batches that a full read must come in, so that something is proved by going on
    after each of them.
    """

    source: Source
    stream: str
    ids: Sequence[Any]
    batches: int = 3
