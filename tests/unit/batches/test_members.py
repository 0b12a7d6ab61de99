"""Members that a source adds to a raw record."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.members import with_members

WORDS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=4)


@given(record=WORDS, members=WORDS, indent=st.sampled_from([None, 2]))
def test_an_object_gets_them_and_keeps_its_own(record, members, indent):
    found = json.loads(with_members(json.dumps(record, indent=indent), members), object_pairs_hook=list)
    assert found == [*members.items(), *record.items()]


def test_numbers_stay_as_they_were_written_and_times_are_texts():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert with_members(' {"a": 1.10}', {"at": moment}) == '{"at": "2026-01-02T03:04:05+00:00", "a": 1.10}'


@pytest.mark.parametrize("raw", ["", "no object", "[1]", '"{"'])
def test_what_is_no_object_stays_as_it_is(raw):
    assert with_members(raw, {"a": 1}) == raw
