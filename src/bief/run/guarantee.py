"""The guarantee label of a step: derived from source, mode and destination, always with its reason.

The words are explained in docs/guarantees.md; the conformance suite proves the destination's half.
"""

from __future__ import annotations

from collections.abc import Iterator

from bief.ports.destination import Capabilities, Mode
from bief.ports.source import Stream


def guarantee(stream: Stream, mode: Mode, capabilities: Capabilities) -> str:
    """The label that `bief plan` and the receipt show, in one line."""
    reasons = list(_reasons(stream, mode))
    if not capabilities.one_commit:
        return "at-least-once because: " + "; ".join(["rows and position are not one commit here", *reasons])
    if reasons:
        return "exactly-once effect for every row read, but: " + "; ".join(reasons)
    return "exactly-once effect"


def _reasons(stream: Stream, mode: Mode) -> Iterator[str]:
    yield from stream.caveats
    if mode == "append" and not stream.incremental:
        yield "append adds all rows again on each run"
    if mode in {"merge", "history"} and not stream.incremental and not stream.deletes:
        yield "a row deleted in the source stays until a run with --full-refresh"
    elif mode in {"merge", "history"} and stream.incremental and not stream.deletes:
        yield "a row deleted in the source is not noticed between full reads"
