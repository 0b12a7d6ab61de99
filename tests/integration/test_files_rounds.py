"""Which files a read brings: the new ones, the changed ones, all of them; each as a whole, and once."""

from __future__ import annotations

import os
import threading
import time

import pytest
from file_sources import STREAM, again, file_source, json_lines, read, rows_of

from bief.base.clock import SystemClock
from bief.base.events import PageRead, SourceWarned, StreamSized
from bief.errors import SourceChanged, SourceMisread, SourceUnavailable
from bief.ports.runtime import Runtime


def ids(batches):
    return [row["id"] for row in rows_of(batches)]


def warnings(events):
    return [event.message for event in events if isinstance(event, SourceWarned)]


def put(folder, name, first, last):
    (folder / name).write_bytes(json_lines(first, last))


class Later(SystemClock):
    """A clock that is ahead, so that files that were written just now have settled."""

    def now(self):
        return super().now().replace(year=super().now().year + 1)


@pytest.fixture
def three(tmp_path):
    for number, name in enumerate(("a.jsonl", "b.jsonl", "c.jsonl")):
        put(tmp_path, name, number * 10, number * 10 + 10)
    return tmp_path


def test_a_second_read_brings_only_what_is_new(three):
    first = read(three, "*.jsonl")
    put(three, "d.jsonl", 30, 40)
    put(three, "aa.jsonl", 40, 50)
    second = read(three, "*.jsonl", again(first[-1].position))

    assert ids(first) == list(range(30))
    assert ids(second) == [*range(40, 50), *range(30, 40)]
    assert ids(read(three, "*.jsonl", again(second[-1].position))) == []


def test_without_incremental_every_read_brings_everything(three):
    first = read(three, "*.jsonl", incremental=False)

    assert ids(read(three, "*.jsonl", again(first[-1].position), incremental=False)) == list(range(30))


def test_a_read_that_was_cut_off_goes_on_after_the_last_whole_file(three):
    whole = read(three, "*.jsonl", batch_rows=1)
    assert [batch.complete for batch in whole] == [False, False, False, True]

    for incremental in (True, False):
        rest = read(three, "*.jsonl", again(whole[0].position), incremental=incremental)
        assert ids(rest) == list(range(10, 30))
        assert rest[-1].complete


def test_small_files_are_loaded_together_and_large_ones_alone(three):
    put(three, "bb.jsonl", 1000, 701_000)
    batches = read(three, "*.jsonl")
    places = [number for number, batch in enumerate(batches) if batch.position is not None]

    assert len(batches) > 3
    assert places == [0, len(batches) - 2, len(batches) - 1]
    assert batches[0].provenance.origin(13) == "b.jsonl, line 4"
    assert batches[0].provenance.raw(13) == '{"id": 13, "name": "row 13"}'
    assert ids(batches) == [*range(20), *range(1000, 701_000), *range(20, 30)]


def test_35_a_file_that_changes_while_it_is_read_is_read_again(three):
    put(three, "a.jsonl", 0, 700_000)
    with file_source(three, "a.jsonl") as source:
        batches = source.read(STREAM, None)
        assert next(batches).position is None
        put(three, "a.jsonl", 5, 10)
        with pytest.raises(SourceChanged, match="changed while it was read"):
            list(batches)
        assert ids(source.read(STREAM, None)) == list(range(5, 10))


def test_35_a_file_that_vanishes_while_it_is_read_is_no_whole_file(three):
    events = []
    runtime = Runtime(folder=three, emit=lambda event: events.append(event) or _remove_once(event, three / "a.jsonl"))
    with file_source(three, "a.jsonl", runtime=runtime) as source, pytest.raises(SourceChanged):
        list(source.read(STREAM, None))


def _remove_once(event, path):
    if isinstance(event, PageRead):
        path.unlink(missing_ok=True)


def test_36_the_same_content_under_another_name_is_left_out(three):
    first = read(three, "*.jsonl")
    put(three, "z.jsonl", 0, 10)
    events = []
    second = read(three, "*.jsonl", again(first[-1].position), events=events)

    assert ids(second) == []
    assert warnings(events) == ["z.jsonl has the same content as a.jsonl, which was loaded: it is left out."]
    events.clear()
    assert ids(read(three, "*.jsonl", again(second[-1].position), events=events)) == []
    assert warnings(events) == []


def test_36_a_copy_in_the_same_read_is_left_out(three):
    put(three, "b.jsonl", 0, 10)

    assert ids(read(three, "*.jsonl")) == [*range(10), *range(20, 30)]


def test_36_by_version_a_copy_is_a_file_of_its_own(three):
    put(three, "b.jsonl", 0, 10)

    assert len(ids(read(three, "*.jsonl", identity="version"))) == 30


def test_37_a_file_that_changed_is_loaded_again_and_that_is_told(three):
    first = read(three, "*.jsonl")
    put(three, "b.jsonl", 50, 55)
    events = []
    second = read(three, "*.jsonl", again(first[-1].position), events=events)

    assert ids(second) == list(range(50, 55))
    assert warnings(events) == ["b.jsonl has changed since it was loaded: it is loaded again as a whole."]


def test_37_a_file_that_goes_back_to_what_it_was_is_loaded_again(three):
    position = read(three, "*.jsonl")[-1].position
    for content in (range(50, 55), range(10, 20)):
        put(three, "b.jsonl", content.start, content.stop)
        batches = read(three, "*.jsonl", again(position))
        position = batches[-1].position
        assert ids(batches) == list(content)


def test_a_file_that_was_only_touched_is_not_loaded_again(three):
    first = read(three, "*.jsonl")
    os.utime(three / "b.jsonl")

    assert ids(read(three, "*.jsonl", again(first[-1].position))) == []


def test_by_version_a_file_that_was_touched_is_loaded_again(three):
    first = read(three, "*.jsonl", identity="version")
    assert ids(read(three, "*.jsonl", again(first[-1].position), identity="version")) == []
    os.utime(three / "b.jsonl", (1, 1))

    assert ids(read(three, "*.jsonl", again(first[-1].position), identity="version")) == list(range(10, 20))


def test_a_change_that_leaves_size_and_time_as_they_were_is_seen(three):
    """Once settled a file is not read again, and still no change escapes."""
    path = three / "a.jsonl"
    runtime = Runtime(folder=three, clock=Later())
    held = path.stat().st_mtime_ns
    first = read(three, "*.jsonl", runtime=runtime)
    assert all(entry[0] for entry in first[-1].position.value["files"].values())
    path.write_bytes(path.read_bytes().replace(b"row 1", b"ROW 1"))
    os.utime(path, ns=(held, held))
    second = read(three, "*.jsonl", again(first[-1].position), runtime=runtime)

    assert rows_of(second)[1] == {"id": 1, "name": "ROW 1"}


def test_a_settled_file_is_not_even_opened_again(three, monkeypatch):
    runtime = Runtime(folder=three, clock=Later())
    first = read(three, "*.jsonl", runtime=runtime)
    opened = []
    with file_source(three, "*.jsonl", runtime=runtime) as source:
        monkeypatch.setattr(source._storage, "open", opened.append)
        assert ids(source.read(STREAM, again(first[-1].position))) == []
    assert opened == []


def test_a_damaged_file_takes_none_of_the_files_before_it_down(three):
    (three / "c.jsonl").write_bytes(b'{"id": 1')
    with file_source(three, "*.jsonl") as source:
        batches = source.read(STREAM, None)
        seen = next(batches)
        assert ids([seen]) == list(range(20))
        assert seen.position is not None
        with pytest.raises(SourceMisread):
            next(batches)


def test_files_can_be_loaded_by_the_time_of_their_change(three):
    for age, name in enumerate(("b.jsonl", "c.jsonl", "a.jsonl")):
        os.utime(three / name, (1_000_000 + age, 1_000_000 + age))

    assert ids(read(three, "*.jsonl", order="modified")) == [*range(10, 30), *range(10)]


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path):
    put(tmp_path, "a.jsonl", 0, 10)

    def write_on():
        for step in range(4):
            time.sleep(0.2)
            put(tmp_path, "a.jsonl", 0, 20 + step)

    writer = threading.Thread(target=write_on)
    writer.start()
    batches = read(tmp_path, "a.jsonl", settle_seconds=2)
    writer.join()

    assert ids(batches) == list(range(23))


def test_a_file_that_never_rests_is_given_up(tmp_path):
    put(tmp_path, "a.jsonl", 0, 10)
    # Always just changed, as far as anybody can see.
    os.utime(tmp_path / "a.jsonl", (time.time() + 3600, time.time() + 3600))

    with pytest.raises(SourceUnavailable, match="still being written"):
        read(tmp_path, "a.jsonl", settle_seconds=0.05)


def test_waiting_ends_when_the_run_is_told_to_stop(tmp_path):
    put(tmp_path, "a.jsonl", 0, 10)
    runtime = Runtime(folder=tmp_path)
    threading.Timer(0.3, runtime.stop.set).start()
    began = time.monotonic()

    assert read(tmp_path, "a.jsonl", settle_seconds=600, runtime=runtime) == []
    assert time.monotonic() - began < 30


def test_columns_say_where_a_row_came_from(three):
    os.utime(three / "a.jsonl", (0, 1_000_000_000))
    row = rows_of(read(three, "a.jsonl", add={"file": "_file", "modified": "_changed"}))[0]

    assert row["_file"] == "a.jsonl"
    assert row["_changed"].isoformat() == "2001-09-09T01:46:40+00:00"


def test_a_column_that_the_file_has_itself_is_not_overwritten(three):
    with pytest.raises(SourceMisread, match="column 'name' of its own"):
        read(three, "a.jsonl", add={"file": "name"})


def test_formats_can_be_mixed(three):
    (three / "d.csv").write_text("id,name\n90,x\n")
    (three / "e.tsv").write_text("id\tname\n91,5\ty\n")
    (three / "f.ndjson").write_text('{"id": 92}\n')

    assert [str(each) for each in ids(read(three, ["[d-f].*"]))] == ["90", "91,5", "92"]


def test_events_tell_each_chunk(three):
    events = []
    read(three, "*.jsonl", events=events)
    pages = [event for event in events if isinstance(event, PageRead)]

    assert [page.rows for page in pages] == [10, 10, 10]
    size = sum(path.stat().st_size for path in three.glob("*.jsonl"))
    assert sum(page.bytes for page in pages) == size
    assert [event.bytes for event in events if isinstance(event, StreamSized)] == [size]
