"""Positions come back from a destination as they went, and a new round begins where it must."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import Position
from bief.batches.schema import TEXT
from bief.sources.database.positions import Progress, Span, fingerprint, gapless, progress_of
from bief.sources.database.relations import Column, Range

KEYS = st.none() | st.tuples(st.text(max_size=3), st.text(max_size=3))
SPANS = st.builds(Span, st.builds(Range, KEYS, KEYS), KEYS, st.booleans())
TEXTS = st.none() | st.text(max_size=5)


def stored(position):
    return Position(json.loads(json.dumps(dict(position.value))), position.complete)


@given(TEXTS, st.booleans(), TEXTS, st.booleans(), st.lists(SPANS, min_size=1, max_size=3))
def test_an_incomplete_position_is_the_whole_progress(low, low_loose, next_low, loose, spans):
    progress = Progress("at", low, low_loose, next_low, loose, ("a", "b"), "f", tuple(spans))

    assert progress_of(stored(progress.position(complete=False)), "at") == progress


def test_the_next_round_begins_at_the_mark_of_the_first_snapshot():
    progress = Progress("at", "1", True, "5", False, ("id",), "f", (Span(Range(), ("9",)),))
    following = progress_of(stored(progress.position(complete=True)), "at")

    assert following == Progress("at", "5", False)
    assert not following.begun


def test_another_cursor_knows_no_place():
    progress = Progress("at", "1", False, "5")

    assert progress_of(progress.position(complete=True), "id") == Progress("id")
    assert progress_of(progress.position(complete=True), None) == Progress(None)
    assert progress_of(None, "at") == Progress("at")


def test_a_stream_without_cursor_remembers_nothing_when_complete():
    assert Progress().position(complete=True) == Position({}, complete=True)


def test_ranges_must_follow_one_another_from_end_to_end():
    one, two, three = Range(None, ("1",)), Range(("1",), ("2",)), Range(("2",), None)

    assert gapless([Span(one), Span(two), Span(three)])
    assert gapless([Span(Range())])
    for broken in ([], [one, three], [two, three], [one, two], [Range(), Range()], [one, Range(("1",), None), three]):
        assert not gapless([Span(each) for each in broken])


def test_a_span_goes_on_after_its_last_key():
    span = Span(Range(("1",), ("9",)))
    progress = Progress(spans=(span,)).with_span(0, last=("5",))

    assert progress.spans[0].rest == Range(("5",), ("9",))
    assert progress.with_span(0, done=True).spans[0] == Span(Range(("1",), ("9",)), ("5",), done=True)


def test_the_fingerprint_changes_with_names_and_types():
    columns = [Column("a", "int", TEXT, "", ""), Column("b", "int", TEXT, "", "")]
    prints = {
        fingerprint(each)
        for each in (columns, columns[:1], columns[::-1], [columns[0], Column("b", "text", TEXT, "", "")])
    }
    assert len(prints) == 4
