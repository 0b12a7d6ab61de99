"""The memory of what was loaded."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bief.sources.files.loaded import Entry, Loaded
from bief.storage.stored import StoredFile

NAMES = st.text(min_size=1, max_size=20)
ENTRIES = st.builds(Entry, st.text(max_size=5), st.text("abc", max_size=3), st.integers(0, 9), st.integers(0, 9)).map(
    lambda entry: entry if entry.size_bytes else Entry(entry.stamp, entry.digest)
)


def stored(name, version="v", stamp="s"):
    return StoredFile(name, name, None, None, None, version, stamp)


@given(st.dictionaries(NAMES, ENTRIES, max_size=8))
def test_it_survives_its_trip_through_a_position(entries):
    loaded = Loaded(entries)
    again = Loaded.read(json.loads(json.dumps(loaded.written())))

    assert {name: again.entry(name) for name in entries} == entries
    assert again.written() == loaded.written()


@given(st.lists(st.tuples(NAMES, st.text("abc", min_size=1, max_size=2)), max_size=20))
def test_a_twin_is_a_file_that_has_that_content_now(steps):
    loaded, now = Loaded({}), {}
    for name, digest in steps:
        loaded.add(name, Entry("", digest))
        now[name] = digest
        assert now[loaded.twin(digest)] == digest
    for digest in {"a", "b", "c", *now.values()}:
        twin = loaded.twin(digest)
        assert twin is None or now[twin] == digest


def test_an_empty_stamp_proves_nothing():
    loaded = Loaded({"a": Entry("", "digest"), "b": Entry("s", "digest"), "c": Entry("v", "")})

    assert not loaded.has(stored("a", stamp=""), "content")
    assert loaded.has(stored("b"), "content")
    assert not loaded.has(stored("b", stamp="other"), "content")
    assert loaded.has(stored("c"), "version")
    assert not loaded.has(stored("nowhere"), "version")
