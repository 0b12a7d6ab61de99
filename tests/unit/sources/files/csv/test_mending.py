"""Bad records are taken out of a block quickly: the outcome is that of the exact, slow way, to the letter."""

from __future__ import annotations

from unittest.mock import patch

import pyarrow as pa
import pytest
from csv_files import chunks
from hypothesis import given, settings
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER
from bief.sources.files.csv.blocks import Block
from bief.sources.files.csv.mending import Index
from bief.sources.files.csv.scanning import scan

RECORDS = [
    b"1,ann,x\n",
    b'2,"bob, the second",y\n',
    b'3,"two\nlines",z\n',
    b'4,"a ""quoted"" word",\r\n',
    b"5,short\n",
    b"6,long,one,more\n",
    b'7,"short in\nquotes"\n',
    b"8,caf\xe9,x\n",
    b'9,"bad \xff in quotes\n",x\n',
    b"10,nul\x00,x\n",
    b"\n",
    b"11,\xc3\xa9t\xc3\xa9,x\n",
]


def everything(data: bytes, **how):
    """All that a file gives: columns, and for each row and each rejected row its place and its raw text."""
    rows, places, rejected = [], [], []
    for chunk in chunks(data, declared=dict.fromkeys(("id", "name", "kind"), pa.string()), **how):
        numbers = chunk.rows.column(ROW_NUMBER).to_pylist()
        rows += chunk.rows.drop_columns([ROW_NUMBER]).to_pylist()
        places += [(chunk.provenance.origin(number), chunk.provenance.raw(number)) for number in numbers]
        rejected += chunk.rejected
    return rows, places, rejected


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(RECORDS), max_size=30),
    st.sampled_from(["reject", "pad"]),
    st.sampled_from(["reject", "strip"]),
    st.sampled_from([16, 40, 4096]),
)
def test_mending_gives_what_the_exact_reader_gives(records, short_rows, nul, block_bytes):
    data = b"id,name,kind\n" + b"".join(records)
    how = {"short_rows": short_rows, "nul": nul, "block_bytes": block_bytes, "allow_empty": True}
    quick = everything(data, **how)
    with patch.object(Index, "of", lambda *_, **__: None):
        assert everything(data, **how) == quick


def test_a_block_with_bad_records_does_not_go_the_slow_way():
    data = b"id,name,kind\n" + b"".join(RECORDS * 50)
    with patch("bief.sources.files.csv.salvage.scan", wraps=scan) as scanned:
        rows, _, rejected = everything(data)
    assert (len(rows), len(rejected)) == (5 * 50, 6 * 50)
    assert max(len(call.args[0]) for call in scanned.call_args_list) <= max(map(len, RECORDS)) + 1


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_the_index_knows_where_records_begin_and_on_which_lines(ending):
    data = ending.join([b"1,a", b'2,"x', b'y"', b"", b"3,b", b""])
    index = Index.of(Block(data, 10, len(data)), b'"', with_blanks=False)
    assert index.lines == [10, 11, 14]
    assert [index.record(number).data for number in range(3)] == [
        b"1,a" + ending, b'2,"x' + ending + b'y"' + ending + ending, b"3,b" + ending
    ]  # fmt: skip
    assert Index.of(Block(b"1,a\r2,b\r", 1, 8), b'"', with_blanks=False) is None
