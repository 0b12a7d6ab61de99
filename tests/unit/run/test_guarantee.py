"""The label follows from source, mode and destination, and never stands without its reason."""

from __future__ import annotations

import pytest

from bief.ports.destination import Capabilities
from bief.ports.source import Stream
from bief.run.guarantee import guarantee

ONE_COMMIT = Capabilities(
    modes=frozenset({"append", "merge", "replace", "history"}),
    one_commit=True,
    parallel_loaders=True,
    concurrent_readers=True,
    max_identifier_bytes=63,
)


@pytest.mark.parametrize(
    ("stream", "mode", "label"),
    [
        (Stream("s", incremental=True, deletes=True), "merge", "exactly-once effect"),
        (Stream("s"), "replace", "exactly-once effect"),
        (
            Stream("s"),
            "append",
            "exactly-once effect for every row read, but: append adds all rows again on each run",
        ),
        (
            Stream("s", caveats=("pages move",)),
            "replace",
            "exactly-once effect for every row read, but: pages move",
        ),
        (
            Stream("s", incremental=True),
            "merge",
            (
                "exactly-once effect for every row read, but: "
                "a row deleted in the source is not noticed between full reads"
            ),
        ),
    ],
)
def test_the_label_names_every_reason(stream, mode, label):
    assert guarantee(stream, mode, ONE_COMMIT) == label


def test_a_destination_without_one_commit_is_at_least_once():
    loose = Capabilities(
        modes=frozenset({"append"}),
        one_commit=False,
        parallel_loaders=True,
        concurrent_readers=True,
        max_identifier_bytes=63,
    )

    assert guarantee(Stream("s", incremental=True), "append", loose).startswith("at-least-once because: ")
