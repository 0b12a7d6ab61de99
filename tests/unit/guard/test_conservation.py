"""Nothing is lost, nothing is made up."""

from __future__ import annotations

import pytest

from bief.errors import RowsUnaccounted
from bief.guard.conservation import account


def test_rows_that_add_up_are_accounted_for():
    account(read=10, loaded=4, rejected=3, filtered=2, deduplicated=1)
    account(read=0, loaded=0, rejected=0)


@pytest.mark.parametrize(
    "counts",
    [
        {"read": 10, "loaded": 9, "rejected": 0},
        {"read": 10, "loaded": 10, "rejected": 1},
        {"read": 10, "loaded": 5, "rejected": 5, "filtered": 1},
        {"read": 10, "loaded": 11, "rejected": -1},
        {"read": 1, "loaded": 1, "rejected": 0, "deduplicated": 1},
    ],
)
def test_rows_that_do_not_add_up_stop_the_load(counts):
    with pytest.raises(RowsUnaccounted, match=f"{counts['read']} rows were read, but {counts['loaded']} loaded"):
        account(**counts)
