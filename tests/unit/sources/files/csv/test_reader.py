"""Whole files: the same rows wherever blocks are cut, the types of the whole file, and the way back to the source."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import date
from functools import reduce

import pyarrow as pa
import pytest
from csv_files import chunks, content, lists, read, reader
from hypothesis import example, given
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER
from bief.batches.casting import cast_column
from bief.batches.schema import DATE, INTEGER, TEXT
from bief.errors import SourceChanged, SourceMisread
from bief.sources.files.csv.kinds import Kind, join, kind_of

VALUES = ["", "1", "22", "007", "1.5", "9007199254740993", "12345678901234567890", "true", "False", "2024-01-31"]
VALUES += ["2024-01-31 10:00", "a,b", "line\nline", "\r", 'say "hi"', "é", "🙂", "x" * 30]
ROWS = st.lists(st.tuples(*[st.sampled_from(VALUES)] * 3), min_size=1, max_size=12)
BLOCK_BYTES = st.integers(1, 80)
ODD_BYTES = st.lists(
    st.sampled_from(
        [b"a", b"1", b"2.5", b",", b",", b'"', b"\n", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"#", b"\xc3\xa9"]
    ),
    max_size=40,
).map(b"".join)


def written(rows, line_end="\n"):
    def field(value):
        return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\r\n') else value

    return "".join(",".join(map(field, row)) + line_end for row in [("a", "b", "c"), *rows]).encode()


def by_hand(values):
    """A column as the whole of its values says, slowly."""
    texts = [None if value == "" else value for value in values]
    kind = reduce(join, (kind_of(text) for text in texts if text is not None), Kind.EMPTY)
    if kind is Kind.EMPTY:
        return kind.type, texts
    column, misfits = cast_column(pa.chunked_array([pa.array(texts, TEXT)]), kind.type)
    assert not any(misfits.to_pylist())
    return kind.type, column.to_pylist()


def outcome(data, **how):
    """All that a reader says of a file, whatever is in it."""
    try:
        rows, rejected = read(data, **how)
    except SourceMisread:
        return "misread"
    return rows.to_pylist(), rows.schema, rejected


@given(ROWS, BLOCK_BYTES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_types_are_those_of_the_whole_file_wherever_it_is_cut(rows, block_bytes, line_end):
    found, rejected = read(written(rows, line_end=line_end), block_bytes=block_bytes)

    assert rejected == []
    for place, name in enumerate("abc"):
        arrow_type, expected = by_hand([row[place] for row in rows])
        assert found.column(name).to_pylist() == expected
        assert found.schema.field(name).type == arrow_type


@given(ODD_BYTES, BLOCK_BYTES, st.booleans())
@example(b'\n"\r\n', 1, False)
@example(b'"\n"a,1\n2,3', 3, False)
def test_any_bytes_have_one_meaning_wherever_they_are_cut(data, block_bytes, with_comments):
    data = b"a,b\n1,2\n" + data
    how = {"comment": "#" if with_comments else None, "declared": {"b": TEXT}}

    assert outcome(data, block_bytes=block_bytes, **how) == outcome(data, **how)


@given(ODD_BYTES)
def test_every_record_is_read_or_rejected(data):
    """The conservation law, against the records that the exact reader counts."""
    data = b"a,b\n1,2\n" + data
    try:
        found = chunks(data, short_rows="pad")
    except SourceMisread:
        return
    lines = [int(row.origin.rpartition(" ")[2]) for chunk in found for row in chunk.rejected]
    for chunk in found:
        numbers = chunk.rows.column(ROW_NUMBER).to_pylist()
        lines += [int(chunk.provenance.origin(number).rpartition(" ")[2]) for number in numbers]
    assert len(set(lines)) == len(lines)
    assert lines
    starts = {1 + line for line, text in enumerate(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))}
    assert set(lines) <= starts - {1}


@given(ROWS, BLOCK_BYTES)
def test_every_row_knows_its_line_and_its_texts(rows, block_bytes):
    data = written(rows)
    lines = []
    for chunk in chunks(data, block_bytes=block_bytes):
        for number in chunk.rows.column(ROW_NUMBER).to_pylist():
            lines.append(chunk.provenance.origin(number))
            shown = json.loads(chunk.provenance.raw(number))
            assert list(shown.values()) == [value or None for value in rows[len(lines) - 1]]
    before = [len(written(rows[:count]).splitlines()) for count in range(len(rows))]

    assert lines == [f"orders.csv, line {count + 1}" for count in before]


def test_a_column_that_turns_into_text_is_text_from_the_beginning():
    data = "id,code\n" + "".join(f"{n},{n}\n" for n in range(100)) + "100,x100\n"
    one = reader(block_bytes=64)
    given_before = []
    with pytest.raises(SourceChanged, match="read again"):
        given_before.extend(one.chunks(content(data.encode())))
    again = list(one.chunks(content(data.encode())))

    assert given_before[0].rows.schema.field("code").type == INTEGER
    assert {chunk.rows.schema.field("code").type for chunk in again} == {TEXT}
    assert [code for chunk in again for code in chunk.rows.column("code").to_pylist()][-1] == "x100"
    # A file that was read to its end is not kept in mind.
    assert one._learnt == {}


def test_all_columns_are_looked_through_at_once():
    """One column changes early and another one late: the file is read twice, not three times."""
    rows = [f"{n},{n},{n}\n" for n in range(50)]
    rows[20], rows[40] = "x,20,20\n", "40,40.5,40\n"
    one = reader(block_bytes=64)
    with pytest.raises(SourceChanged):
        list(one.chunks(content(("a,b,c\n" + "".join(rows)).encode())))
    found = list(one.chunks(content(("a,b,c\n" + "".join(rows)).encode())))

    assert [str(field.type) for field in found[0].rows.schema] == ["string", "double", "int64", "int64"]


def test_what_was_learnt_of_one_file_says_nothing_of_another():
    one = reader(block_bytes=8)
    with pytest.raises(SourceChanged):
        list(one.chunks(content(b"a\n1\n2\n3\n4\n5\nx\n", "first.csv")))
    (first, *_) = one.chunks(content(b"a\n1\n2\n", "second.csv"))

    assert first.rows.schema.field("a").type == INTEGER


def test_a_column_is_null_until_a_value_comes():
    found = chunks("a,b\n1,\n2,\n3,\n4,2024-01-31\n", block_bytes=6)

    assert found[0].rows.schema.field("b").type == pa.null()
    assert found[-1].rows.column("b").to_pylist() == [date(2024, 1, 31)]


def test_a_declared_type_that_a_value_does_not_fit_leaves_the_chunk_to_the_contract():
    found = chunks("on\n2024-01-31\n2024-02-30\n", declared={"on": DATE})
    fitting = chunks("on\n2024-01-31\n\n", declared={"on": DATE})

    assert found[0].rows.column("on").to_pylist() == ["2024-01-31", "2024-02-30"]
    assert fitting[0].rows.column("on").to_pylist() == [date(2024, 1, 31), None]


def test_declared_types_go_by_the_name_in_the_table():
    assert lists("Order Date\n2024-01-31\n", declared={"order_date": TEXT}) == {"Order Date": ["2024-01-31"]}


def test_a_sample_is_the_beginning():
    found = reader().sample(content(b"a\n" + b"1\n" * 100_000), rows=3)

    assert found.rows.column("a").to_pylist() == [1, 1, 1]
    assert found.provenance.origin(2) == "orders.csv, line 4"


def test_the_sizes_of_chunks_add_up_to_the_file():
    data = b"a,b\n" + b"1,x\n" * 100 + b"1\n" * 5
    sizes = [chunk.size_bytes for chunk in chunks(data, block_bytes=50)]

    assert len(sizes) > 5
    assert sum(sizes) == len(data) - len(b"a,b\n")


def test_a_warning_is_said_once_however_often_the_file_is_read():
    warnings = []
    chunks("a,\n1,1\n2,2\n3,3\nx,y\n", block_bytes=5, warnings=warnings)

    assert warnings == ["orders.csv: the header has columns without a name, which are called column_2."]


def test_memory_does_not_grow_with_a_record_that_is_too_long():
    class Endless(io.RawIOBase):
        """A field of 64 MB without an end, and another row."""

        def __init__(self):
            self.pieces = iter([b"a,b\n1,2\n", *[b"x" * 2**20] * 64, b",9\n3,4\n"])
            self.rest = b""

        def readable(self):
            return True

        def readinto(self, buffer):
            self.rest = self.rest or next(self.pieces, b"")
            count = min(len(buffer), len(self.rest))
            buffer[:count], self.rest = self.rest[:count], self.rest[count:]
            return count

    endless = content(b"")
    endless = type(endless)("big.csv", "big", Endless)
    tracemalloc.start()
    found = list(reader(block_bytes=2**20, max_field_bytes=2**20).chunks(endless))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [row for chunk in found for row in chunk.rows.column("a").to_pylist()] == [1, 3]
    (refused,) = [row for chunk in found for row in chunk.rejected]
    assert (refused.rule, refused.origin, len(refused.raw)) == ("field_too_long", "big.csv, line 3", 65536)
    assert peak < 20 * 2**20
