"""The end of a record that nobody holds: where the exact reader finds it, in whatever pieces it comes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bief.sources.files.csv.dialect import Dialect
from bief.sources.files.csv.oversize import RecordEnd
from bief.sources.files.csv.scanning import scan

COMMA = Dialect(b",")


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=24), st.integers(1, 5))
@example('a"b\n1', 2)
@example('"a"b"\nc",\n', 1)
def test_the_end_is_found_in_pieces(text, size):
    data = text.encode()
    search, found = RecordEnd(COMMA), -1
    for start in range(0, len(data), size):
        end = search.find(data[start : start + size])
        if end >= 0:
            found = start + end
            break
    first = next(scan(data, COMMA), None)

    if first is None or first.unclosed or first.after == first.end:
        assert found == -1
        assert search.is_inside_quotes == (first is not None and first.unclosed)
    else:
        assert found == first.end
