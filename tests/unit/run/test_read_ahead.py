"""Reading ahead keeps order, errors and memory, and ends its thread."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from bief.run.read_ahead import read_ahead


def threads_alive():
    return [thread for thread in threading.enumerate() if thread.name == "bief-read-ahead"]


def test_the_items_come_in_order():
    assert list(read_ahead(iter(range(100)))) == list(range(100))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("torn")

    seen = []
    with pytest.raises(ValueError, match="torn"):
        seen.extend(read_ahead(items()))
    assert not threads_alive()


def test_no_more_than_three_items_are_made_ahead():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    with closing(read_ahead(items())) as ahead:
        next(ahead)
        time.sleep(0.3)

        assert len(made) <= 4


def test_closing_early_closes_the_source():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with closing(read_ahead(items())) as ahead:
        next(ahead)

    assert closed.is_set()
    assert not threads_alive()
