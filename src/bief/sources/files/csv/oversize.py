"""Finds the end of a record that is too long to be held in memory. Called by `blocks`."""

from __future__ import annotations

import re

from bief.sources.files.csv.dialect import Dialect


class RecordEnd:
    """Looks for the line end that ends a record, in one piece of its bytes after the other."""

    def __init__(self, dialect: Dialect) -> None:
        self._delimiter = dialect.delimiter[0]
        quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
        escaped = rb"|%b(?:.|\Z)" % escape if escape else b""
        self._outside = re.compile(rb"[\r\n%b]%b" % (quote, escaped), re.DOTALL)
        self._inside = re.compile(rb"%b%b" % (quote, escaped), re.DOTALL)
        self._escape = dialect.escape
        self._goes_on_escaped = False
        self.is_inside_quotes = False
        # At the beginning of a field, and right after a quote that closed (it was the first of two, then).
        self._can_open = True

    def find(self, piece: bytes) -> int:
        """Where the line end stands in `piece`; -1 if it comes later."""
        place = 1 if self._goes_on_escaped else 0
        self._can_open, self._goes_on_escaped = self._can_open and not place, False
        while found := (self._inside if self.is_inside_quotes else self._outside).search(piece, place):
            if self._escape and found[0].startswith(self._escape):
                self._goes_on_escaped = len(found[0]) == 1
                self._can_open = False
            elif self.is_inside_quotes:
                self.is_inside_quotes, self._can_open = False, True
            elif found[0] in b"\r\n":
                return found.start()
            else:
                start = found.start()
                opens = self._can_open if start == place else piece[start - 1] == self._delimiter
                self.is_inside_quotes, self._can_open = opens, False
            place = found.end()
        if place < len(piece):
            self._can_open = piece[-1] == self._delimiter
        return -1
