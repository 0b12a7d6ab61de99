"""Rejected rows show why, where and what, and nothing that is hidden."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import Provenance, RejectedRow
from bief.batches.rows import RecordReader
from bief.batches.shaping import ColumnRule, Shape, shape
from bief.guard.misfits import Misfit
from bief.guard.quarantine import MAX_RAW_CHARACTERS, rejected_rows, without_hidden

DROP, HASH = ColumnRule(drop=True), ColumnRule(hash=True)


def raw_after(raw, **rules):
    return without_hidden(RejectedRow("record 1", "type", "why", raw), Shape(columns=rules))


def test_a_misfit_becomes_a_rejected_row_with_its_own_record():
    records = ['{"a": 1}', '{"a": "x", "secret": "s"}']
    provenance = Provenance(raw=records.__getitem__, origin=lambda row: f"page 2, record {row}")
    found = rejected_rows(
        [Misfit(1, "a", "type", "'x' is not an integer")], provenance, Shape(columns={"secret": DROP})
    )
    assert found == [RejectedRow("page 2, record 1", "type", "'x' is not an integer", '{"a": "x"}', "a")]


def test_hidden_members_go_and_the_rest_keeps_its_digits():
    raw = '{"a": {"b": 1.50, "C d": 9007199254740993.0, "e": [{"c_d": 1e3}]}, "ID": "x", "n": null, "t": true}'
    assert raw_after(raw, a__c_d=DROP, id=HASH).raw == ('{"a": {"b": 1.50, "e": [{"c_d": 1e3}]}, "n": null, "t": true}')
    assert raw_after(raw, a=DROP).raw == '{"ID": "x", "n": null, "t": true}'


def test_hidden_members_go_also_where_their_object_is_in_a_list():
    assert (
        raw_after('{"cards": [{"number": 1, "year": 2}, 3]}', cards__number=DROP).raw == '{"cards": [{"year": 2}, 3]}'
    )


def test_45_of_a_duplicate_key_both_are_hidden_and_others_stay_both():
    assert raw_after('{"a": 1, "b": 2, "a": 3, "b": 4}', a=DROP).raw == '{"b": 2, "b": 4}'


@pytest.mark.parametrize("raw", ['{"password": "s', "[1]", "5", '"s"', '{"a": ' + "[" * 100_000, "\\xff"])
def test_a_record_that_cannot_be_parsed_is_withheld_if_anything_is_hidden(raw):
    row = raw_after(raw, password=DROP)
    assert row.raw == ""
    assert row.reason.startswith("why; the record itself is not shown")
    assert raw_after(raw).raw == raw[:MAX_RAW_CHARACTERS]
    assert raw_after(raw, other=ColumnRule(rename="x")).reason == "why"


def test_a_long_record_is_cut_after_its_hidden_members_are_gone():
    row = raw_after(json.dumps({"secret": "s" * 100_000, "a": "x" * 100_000}), secret=DROP)
    assert len(row.raw) == MAX_RAW_CHARACTERS
    assert row.raw.startswith('{"a": "xxx')


KEYS = st.sampled_from(["password", "Password", "pass word", "id", "card", "__x", "b"])
OBJECTS = st.recursive(
    st.none() | st.just("PUBLIC"), lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2)
)
HIDDEN = st.dictionaries(st.sampled_from(["password", "card__id", "card", "id", "b__b"]), st.sampled_from([DROP, HASH]))


@given(st.dictionaries(KEYS, OBJECTS, max_size=4), HIDDEN)
def test_whatever_shaping_hides_is_not_in_the_rejected_row(record, hidden):
    rules = Shape(columns=hidden)
    rows = RecordReader(rules.reader_types()).read([json.dumps(record).encode()], str).rows
    shown = without_hidden(RejectedRow("", "", "", json.dumps(record)), rules)
    again = RecordReader().read([shown.raw.encode()], str).rows
    visible = {name for name in shape(rows, rules).column_names if not rules.hides(name)}
    assert not [name for name in shape(again, Shape()).column_names if rules.hides(name)]
    if len({key.casefold().replace(" ", "_") for key in record}) == len(record):
        assert set(shape(again, Shape()).column_names) >= {name for name in visible if "__" not in name}
