"""Patterns of file names."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.storage.globs import fixed_folder, is_plain, matcher, problem_of


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("orders.csv", "orders.csv", True),
        ("orders.csv", "ordersXcsv", False),
        ("orders-*.csv", "orders-2024.csv", True),
        ("orders-*.csv", "orders-.csv", True),
        ("*.csv", "a/b.csv", False),
        ("*/b.csv", "a/b.csv", True),
        ("*/b.csv", "b.csv", False),
        ("**/*.csv", "b.csv", True),
        ("**/*.csv", "a/b/c.csv", True),
        ("**", "a/b/c.csv", True),
        ("a/**", "a/b/c.csv", True),
        ("a/**", "b/c.csv", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "ab", False),
        ("**/**/b", "x/b", True),
        ("?.csv", "é.csv", True),
        ("?.csv", "ab.csv", False),
        ("[ab].csv", "a.csv", True),
        ("[!ab].csv", "a.csv", False),
        ("[!ab].csv", "c.csv", True),
        ("[a-c].csv", "b.csv", True),
        ("[*].csv", "*.csv", True),
        ("[*].csv", "a.csv", False),
        ("[.csv", "[.csv", True),
        ("*.csv", ".hidden.csv", False),
        ("?hidden.csv", ".hidden.csv", False),
        (".*.csv", ".hidden.csv", True),
        ("**/*.csv", ".git/a.csv", False),
        ("*.csv", "line\nbreak.csv", True),
        ("a'b;\"c$(d).csv", "a'b;\"c$(d).csv", True),
    ],
)
def test_a_pattern_matches_what_a_shell_would_match(pattern, name, matches):
    assert matcher(pattern)(name) is matches


@given(
    st.text("ab*?.-", min_size=1, max_size=8),
    st.text("ab.-", min_size=1, max_size=8).filter(lambda name: not name.startswith(".")),
)
def test_one_part_matches_as_in_the_standard_library(pattern, name):
    if "**" not in pattern:
        assert matcher(pattern)(name) == fnmatch.fnmatchcase(name, pattern)


@given(st.text(st.characters(exclude_characters="/*?[\x00", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_a_plain_name_matches_itself_and_nothing_else(name):
    assert is_plain(name)
    assert matcher(name)(name)
    assert not matcher(name)(f"{name}x")


@pytest.mark.parametrize(
    ("pattern", "folder"), [("a/b/*.csv", "a/b"), ("a/*/b.csv", "a"), ("*.csv", ""), ("a/b.csv", "a"), ("**/x", "")]
)
def test_the_plain_folders_at_the_beginning(pattern, folder):
    assert fixed_folder(pattern) == folder


@pytest.mark.parametrize("pattern", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./x", "a\x00b"])
def test_a_pattern_that_leads_elsewhere_is_wrong(pattern):
    assert problem_of(pattern)


@pytest.mark.parametrize("pattern", ["a.csv", "*/b", "-rf", "..a", "a..b/c", " x", "né\n.csv"])
def test_an_odd_pattern_is_right(pattern):
    assert problem_of(pattern) == ""
