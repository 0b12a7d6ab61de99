"""Masks show what they say and nothing more."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.masking import MASKED, masked
from bief.batches.shaping import ColumnRule, Shape, shape


def under(mask, *texts):
    return masked(pa.chunked_array([pa.array(texts, pa.string())]), mask).to_pylist()


def test_last4_shows_the_end_of_what_is_long_enough():
    assert under("last4", "4111 1111 1111 1234", "12345678", "1234567", "", None, "éééééééé") == [
        "****1234", "****5678", "****", "****", None, "****éééé",
    ]  # fmt: skip


def test_email_shows_the_first_letter_and_the_domain():
    assert under("email", "ada@example.com", "a@b@c.org", "@x", "nobody", None, "é\n@x") == [
        "a***@example.com", "a***@c.org", "****", "****", None, "é***@x",
    ]  # fmt: skip


def test_all_shows_that_there_is_something():
    assert under("all", "x", "", None) == ["****", "****", None]


@pytest.mark.parametrize("mask", ["last4", "email", "all"])
@given(text=st.text(max_size=30))
def test_no_mask_shows_a_whole_value(mask, text):
    (shown,) = under(mask, text)
    local = text.rpartition("@")[0]
    assert text not in shown or text in MASKED or not text
    if mask == "email" and len(local) > 1 and local not in shown[5:]:
        assert not shown.startswith(local[:2])


def test_a_masked_column_is_a_text_and_hidden_below_too():
    rows = pa.table({"card": [12345678], "person__card": ["12345678"], "person__name": ["x"]})
    rules = Shape(columns={"card": ColumnRule(mask="last4", rename="c"), "person": ColumnRule(mask="all")})

    assert shape(rows, rules).to_pydict() == {"c": ["****5678"], "person__card": ["****"], "person__name": ["****"]}
    assert rules.hides("card")
    assert rules.reader_types()["card"] == pa.string()


def test_a_hash_or_a_drop_goes_before_a_mask():
    rules = Shape(columns={"a": ColumnRule(mask="all"), "a__b": ColumnRule(hash=True), "a__c": ColumnRule(drop=True)})
    shaped = shape(pa.table({"a__b": ["x"], "a__c": ["y"], "a__d": ["z"]}), rules).to_pydict()

    assert len(shaped.pop("a__b")[0]) == 64
    assert shaped == {"a__d": ["****"]}
