"""What the parts of one load add up to: the numbers of its ledger row."""

from __future__ import annotations

from dataclasses import dataclass

from bief.ports.destination import Load, Written


@dataclass
class Totals:
    """Counts of the open load; the database counted `loaded`, `superseded`, `deleted` and `rejected`."""

    parts: int = 0
    read: int = 0
    loaded: int = 0
    superseded: int = 0
    deleted: int = 0
    rejected: int = 0
    refused: int = 0
    filtered: int = 0
    deduplicated: int = 0
    released: int = 0

    def add(self, load: Load, written: Written, rejected: int) -> None:
        """Add one part."""
        self.parts += 1
        self.read += load.read
        self.loaded += written.loaded
        self.superseded += written.superseded
        self.deleted += written.deleted
        self.rejected += rejected
        self.refused += len(written.refused)
        self.filtered += load.filtered
        self.deduplicated += load.deduplicated
        self.released += len(load.released)
