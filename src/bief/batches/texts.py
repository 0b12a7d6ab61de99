"""A look at the bytes of text columns, for what is nearly never there.

Called by `guard.contract`. Searching the buffer of a whole column is one call of memchr.
"""

from __future__ import annotations

from bief.batches.arrow import Column


def any_holds(column: Column, wanted: bytes) -> bool:
    """Whether `wanted` may stand in some value of a text or json column. False is certain: true may also come of
    bytes of a null, or of two neighbours."""
    return any(wanted in _bytes(chunk) for chunk in column.chunks)


def _bytes(chunk: Column) -> bytes:
    """The texts of a chunk, one after the other."""
    _, offsets, data = chunk.buffers()
    if data is None or not len(chunk):
        return b""
    places = memoryview(offsets).cast("i")
    start, end = places[chunk.offset], places[chunk.offset + len(chunk)]
    found: bytes = data.slice(start, end - start).to_pybytes()
    return found
