"""Names: readable where they can be, and never two columns with one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.base.names import RESERVED, RESERVED_PREFIX, column_name, column_names, could_be, snake_case

ANY_NAME = st.text(max_size=90) | st.sampled_from(["ID", "id", "Id", "i d", "é", "e", "_bief_x", "valid_to", "İ", "ﬁ"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("customerID", "customer_id"),
        ("HTTPServer", "http_server"),
        ("First Name (EN)", "first_name_en"),
        ("customer.name", "customer_name"),
        ('say "hi"', "say_hi"),
        ("Prénom", "prenom"),
        ("Straße", "strasse"),
        ("名前", "名前"),
        ("2nd line", "_2nd_line"),
        ("", "column"),
        ("😀", "column"),
        ("_id", "_id"),
        ("__proto__", "__proto__"),
        ("customer__id", "customer__id"),
        ("@type", "type"),
        ("a\x00b", "a_b"),
        ("\ud800", "column"),
        ("already_fine", "already_fine"),
    ],
)
def test_52_a_name_becomes_readable(name, expected):
    assert snake_case(name) == expected


def test_52_a_name_of_500_bytes_is_cut_and_keeps_a_hash_of_the_whole():
    one, other = snake_case("a" * 500), snake_case("a" * 501)
    assert len(one) == len(other) == 63
    assert one != other
    assert one == "a" * 56 + "_" + one[-6:]


@pytest.mark.parametrize("name", sorted(RESERVED | {"_bief_loaded_at", "_BIEF_row", "Valid From", "_Loaded_At"}))
def test_53_a_name_of_bief_is_never_taken_by_a_source(name):
    given_name = column_name(name)
    assert given_name.startswith("source_")
    assert column_name(given_name) == given_name


def test_53_reserved_names_keep_their_words():
    assert column_names(["_loaded_at", "valid_from", "_bief_row"]) == [
        "source__loaded_at",
        "source_valid_from",
        "source__bief_row",
    ]


def test_7_the_name_that_is_already_spelt_so_owns_it():
    first, second, third = column_names(["ID", "id", "Id"])
    assert second == "id"
    assert first.startswith("id_")
    assert third.startswith("id_")
    assert first != third


def test_7_names_that_differ_only_in_case_are_the_same_also_beyond_ascii():
    sigma, final_sigma = "\u03c3", "\u03c2"
    assert column_names([final_sigma], known={"x": sigma})[0].startswith(f"{final_sigma}_")
    assert column_names([final_sigma], known={"x": "y"}) == [final_sigma]


def test_7_a_name_given_earlier_stays_with_its_column():
    assert column_names(["id", "ID"], known={"ID": "id"})[1] == "id"
    assert column_names(["id", "ID"], known={"ID": "id"})[0].startswith("id_")


def test_a_suffix_that_is_taken_gives_way():
    taken = column_names(["id", "ID"])[1]
    names = column_names(["id", "ID", taken])
    assert len(set(names)) == 3
    assert names[2] == taken


@given(st.lists(ANY_NAME, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_names_are_unique_short_free_of_ours_and_do_not_depend_on_order(names, random):
    given_names = column_names(names)
    assert len({name.casefold() for name in given_names}) == len(names)
    assert all(0 < len(name.encode()) <= 63 for name in given_names)
    assert not any(name in RESERVED or name.startswith(RESERVED_PREFIX) for name in given_names)
    shuffled = list(names)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, column_names(shuffled), strict=True)) == dict(zip(names, given_names, strict=True))


@given(st.lists(ANY_NAME, max_size=8, unique=True))
def test_naming_twice_changes_nothing(names):
    given_names = column_names(names)
    assert column_names(given_names) == given_names
    assert [snake_case(name) for name in given_names] == given_names


@given(ANY_NAME, st.lists(ANY_NAME, max_size=5))
def test_a_name_given_in_company_is_recognised_alone(name, others):
    assert could_be(name, column_names([name, *others])[0]) or len({*others, name}) > 2
