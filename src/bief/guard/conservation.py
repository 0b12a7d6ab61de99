"""The law that nothing is lost: every record read is loaded, rejected, filtered or deduplicated.

Called by `run.ingest` before and after each commit, and once more for the sums of a stream.
"""

from __future__ import annotations

from bief.errors import RowsUnaccounted


def account(
    *, read: int, loaded: int, rejected: int, filtered: int = 0, deduplicated: int = 0, where: str = ""
) -> None:
    """Raise `RowsUnaccounted` unless read = loaded + rejected + filtered + deduplicated."""
    found = loaded + rejected + filtered + deduplicated
    if read == found and min(read, loaded, rejected, filtered, deduplicated) >= 0:
        return
    raise RowsUnaccounted(
        f"{read} rows were read, but {loaded} loaded + {rejected} rejected + {filtered} filtered + "
        f"{deduplicated} deduplicated are {found}.",
        where=where,
        do="Nothing of this load was kept. This is a fault in Bief or in a connector: please report it.",
    )
