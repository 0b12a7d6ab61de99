"""Compressed files as streams: everything comes out, or an error says why not."""

import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.errors import SourceMisread
from bief.sources.files.decompression import Swelling, gunzipped, opened_pieces, stream_of, unzstd

PACKERS = {"gzip": (gzip.compress, gunzipped), "zstd": (lambda text: pa.compress(text, "zstd", asbytes=True), unzstd)}
MEMBERS = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4)


def unpacked(kind, content):
    _, unpack = PACKERS[kind]
    with stream_of(lambda: opened_pieces(lambda: io.BytesIO(content), unpack, "a")) as stream:
        return stream.read()


@pytest.mark.parametrize("kind", PACKERS)
@given(members=MEMBERS)
def test_what_was_packed_comes_out(kind, members):
    packed = b"".join(PACKERS[kind][0](member) for member in members)
    assert unpacked(kind, packed) == b"".join(members)


@pytest.mark.parametrize("kind", PACKERS)
@given(members=MEMBERS, data=st.data())
def test_no_cut_goes_unnoticed_but_one_between_two_members(kind, members, data):
    packed = [PACKERS[kind][0](member) for member in members]
    whole = b"".join(packed)
    cut = data.draw(st.integers(0, len(whole) - 1))
    ends = {len(b"".join(packed[:count])): count for count in range(1, len(packed))}
    if cut in ends:
        assert unpacked(kind, whole[:cut]) == b"".join(members[: ends[cut]])
    else:
        with pytest.raises(SourceMisread):
            unpacked(kind, whole[:cut])


@given(member=st.binary(max_size=200), tail=st.binary(min_size=1, max_size=20))
def test_what_follows_a_gzip_is_padding_another_member_or_an_error(member, tail):
    packed = gzip.compress(member) + tail
    if not tail.strip(b"\0"):
        assert unpacked("gzip", packed) == member
    else:
        with pytest.raises(SourceMisread):
            unpacked("gzip", packed)


@given(sizes=st.lists(st.integers(1, 50), max_size=10), limit=st.integers(1, 300))
def test_pieces_pass_up_to_the_limit(sizes, limit):
    pieces = [b"x" * size for size in sizes]
    swelling = Swelling(stored_bytes=1000, max_bytes=limit, max_ratio=2)
    if sum(sizes) <= limit:
        assert list(swelling.limited(iter(pieces), "a")) == pieces
    else:
        with pytest.raises(SourceMisread, match=f"larger than {limit} bytes"):
            list(swelling.limited(iter(pieces), "a"))


@pytest.mark.parametrize("read", [1, 7, 4096])
def test_a_stream_gives_its_pieces_in_reads_of_any_size(read):
    with stream_of(lambda: iter([b"ab", b"cdefg", b"h"])) as stream:
        assert b"".join(iter(lambda: stream.read(read), b"")) == b"abcdefgh"


def test_closing_the_stream_closes_the_file():
    stored = io.BytesIO(gzip.compress(b"x" * 5_000_000))
    stream = stream_of(lambda: opened_pieces(lambda: stored, gunzipped, "a"))
    assert stream.read(10) == b"x" * 10
    stream.close()
    assert stored.closed
