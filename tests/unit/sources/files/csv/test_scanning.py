"""The exact reader of records, held against Python's own in its strict mode."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bief.sources.files.csv.dialect import Dialect
from bief.sources.files.csv.scanning import fields, line_ends, scan

COMMA = Dialect(b",")
ODD_TEXTS = st.text(st.sampled_from('ab,"\n\r'), max_size=24)


def records(text, dialect=COMMA, **how):
    data = text.encode()
    return [
        [field.text.decode() for field in fields(data, record, dialect)]
        for record in scan(data, dialect, **how)
        if not record.fault and not record.is_blank
    ]


def faults(text):
    return [record.fault for record in scan(text.encode(), COMMA) if record.fault]


def python_records(text):
    """What Python reads, strictly; None where it finds a fault."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None


@given(ODD_TEXTS)
@example('a,"b\r\nc"\r\n"""",""\n')
def test_records_are_those_of_python_wherever_python_finds_no_fault(text):
    expected = python_records(text)

    assert bool(faults(text)) == (expected is None)
    if expected is not None:
        assert records(text) == expected


@given(ODD_TEXTS, st.booleans())
@example(',a"b"\n', True)
@example('"a"b,\n', True)
@example('"a",b"c"\n', True)
@example('"a"b,"c"\n', True)
def test_regular_data_has_no_fault_and_needs_no_rewriting(text, are_sparse):
    data = text.encode() + b",x\n" * 100 * are_sparse
    is_regular = COMMA.is_regular(data)

    assert is_regular == all(not record.fault and record.is_plain for record in scan(data, COMMA))
    if b'"' in data:
        assert COMMA._matches(data) == COMMA._has_regular_pieces(data) == is_regular


@given(ODD_TEXTS, ODD_TEXTS)
def test_a_record_that_may_go_on_is_not_given(text, rest):
    """Whatever follows, the records that were given for the beginning are those of the whole."""
    beginning = [(each.start, each.after) for each in scan(text.encode(), COMMA, final=False)]
    whole = [(each.start, each.after) for each in scan((text + rest).encode(), COMMA)]

    assert whole[: len(beginning)] == beginning


@given(ODD_TEXTS)
def test_lines_are_counted_as_editors_do(text):
    found = list(scan(text.encode(), COMMA, line=10))

    assert [each.line for each in found] == [10 + line_ends(text.encode()[: each.start]) for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('5" pipe,2\n', ['5" pipe', "2"]),
        ('a"b"c,"d"\n', ['a"b"c', "d"]),
        ('"say ""hi""",x\n', ['say "hi"', "x"]),
        (' "a",b\n', [' "a"', "b"]),
    ],
)
def test_a_quote_inside_a_field_without_quotes_is_a_character(text, expected):
    assert records(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\,b,c", ["a,b", "c"]),
        (r'"a\"b",c', ['a"b', "c"]),
        (r'"a""b","c\\"', ['a"b', "c\\"]),
        ("a\\\nb,c", ["a\nb", "c"]),
    ],
)
def test_an_escape_takes_the_meaning_from_the_next_character(text, expected):
    assert records(text, Dialect(b",", escape=b"\\")) == [expected]


def test_comments_are_left_out_and_their_quotes_mean_nothing():
    assert records("a,b\n# \"it's\n1,2\n", Dialect(b",", comment=b"#")) == [["a", "b"], ["1", "2"]]


def test_without_a_quote_nothing_is_quoted():
    assert records('"a,b"\n', Dialect(b",", quote=b"")) == [['"a', 'b"']]


def test_a_fault_names_the_line():
    assert faults('a,b\n"x\ny"z,1\n') == ["on line 3 there is text after a closing quote"]
    assert faults('a\nb\n1,"x\n') == ["the quote that opens on line 3 is never closed"]
