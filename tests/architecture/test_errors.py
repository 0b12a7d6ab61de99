"""The tree of errors that is drawn in errors.py is the tree that is there."""

from __future__ import annotations

import inspect
import re

import pytest

from bief import errors

DRAWN_LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<words>.*)$", re.MULTILINE)


def classes():
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    return [each for each in found if issubclass(each, errors.BiefError)]


def drawn():
    """name → (name of the parent, words beside it), read from the docstring."""
    found, path = {}, []
    for line in DRAWN_LINE.finditer(errors.__doc__):
        depth = len(line["branch"]) // 4
        path = [*path[:depth], line["name"]]
        found[line["name"]] = (path[-2] if depth else "Exception", line["words"])
    return found


@pytest.mark.parametrize("error", classes(), ids=lambda each: each.__name__)
def test_an_error_is_drawn_below_its_parent_and_says_what_it_is(error):
    parent, words = drawn()[error.__name__]
    assert parent == error.__bases__[0].__name__
    assert error.__dict__["__doc__"]
    for word, mark in (("transient", errors.Transient), ("permanent", errors.Permanent)):
        if word in words:
            assert issubclass(error, mark)
    assert not issubclass(error, errors.Transient) or not issubclass(error, errors.Permanent)


def test_nothing_is_drawn_that_is_not_there():
    assert set(drawn()) == {error.__name__ for error in classes()}


def test_an_error_without_children_decides_about_retries():
    leaves = [each for each in classes() if not each.__subclasses__()]
    assert len(leaves) > 5
    assert all(issubclass(each, errors.Transient | errors.Permanent) for each in leaves)
