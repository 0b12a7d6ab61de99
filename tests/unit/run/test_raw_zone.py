"""Every kind of source, read once while it is kept and then again from what was kept: the same rows, no source."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from list_source import ListSource

from bief.base.clock import SystemClock
from bief.base.secrets import Redactor
from bief.batches.batch import ROW_NUMBER, Batch, Position, RejectedRow
from bief.batches.schema import JSON
from bief.errors import RawUnusable, SourceChanged
from bief.guard.budget import Budget
from bief.ports.raw import Kept
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.run.plan import PlannedStep
from bief.run.raw_batches import batch_of, kept_batch
from bief.run.raw_rules import refuse_unsafe
from bief.run.raw_sources import KeepingSource, ReplayedSource
from bief.run.raw_zone import KeptStream, RawPlayer, RawZone
from bief.sources.files import FilesSource
from bief.storage.recording import RecordedStorage
from bief.storage.stored import StoredFile

WHOLE = Position({"at": 1}, complete=True)
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
PEOPLE = [{"id": number, "name": f"person {number}"} for number in range(7)]


class Keeper:
    def __init__(self, folder, redactor=None):
        self.heard = []
        self.redactor = redactor or Redactor()
        self.runtime = Runtime(folder=folder, redactor=self.redactor, emit=self.heard.append)
        self.zone = RawZone(folder / ".bief" / "raw", self.redactor, SystemClock())

    def keep(self, source, stream="people", since=None, run_id="run-1"):
        self.zone.begin(run_id, "shop")
        how = {"zone": self.zone, "run_id": run_id, "streams": frozenset({stream})}
        return list(KeepingSource("house", source, self.runtime, **how).read(stream, since))

    def replay(self, source, stream="people", run_id="run-1"):
        kept = {stream: self.zone.kept(run_id, stream)}
        return list(ReplayedSource("house", source, self.runtime, kept=kept).read(stream, Position({}, complete=True)))


@pytest.fixture
def keeper(tmp_path):
    return Keeper(tmp_path)


def source(rows=PEOPLE):
    return ListSource([Stream("people", primary_key=("id",))], {"people": rows})


def same(first, second):
    assert [batch.rows.to_pylist() for batch in first] == [batch.rows.to_pylist() for batch in second]
    assert [batch.position for batch in first] == [batch.position for batch in second]
    assert [batch.rows.schema for batch in first] == [batch.rows.schema for batch in second]


def test_batches_come_again_without_the_source(keeper):
    first = keeper.keep(source())
    nothing = source([])
    same(first, keeper.replay(nothing))
    assert nothing.reads == []
    assert len(first) == 4


def test_all_of_a_batch_comes_again():
    rows = pa.table({"id": [1, 2], "lines": pa.array(["[1]", None]).cast(JSON), ROW_NUMBER: [5, 7]})
    rejected = [RejectedRow("page 1, record 3", "type", "no number", "{}", "id")]
    gone = pa.table({"id": [9]})
    batch = Batch(rows, Position({"page": 2}, complete=False), rejected, gone, typed=True)
    again = batch_of(kept_batch(batch), "run r, batch 1")
    assert (again.rows, again.position, list(again.rejected), again.deleted, again.typed) == (
        rows, batch.position, rejected, gone, True,
    )  # fmt: skip
    assert again.provenance.raw(7) == '{"id":2,"lines":null}'
    assert again.provenance.origin(7) == "run r, batch 1, row 8"
    middle = replace(batch, position=None, deleted=None)
    assert batch_of(kept_batch(middle), "").position is None
    assert batch_of(kept_batch(middle), "").deleted is None


def files(folder, keeper, **words):
    declared = {"path": "in", "streams": {"people": {"files": ["*.csv", "*.csv.gz"], "primary_key": "id", **words}}}
    return FilesSource("house", FilesSource.Options.model_validate(declared), keeper.runtime)


def test_files_come_again_byte_by_byte(tmp_path, keeper):
    place = tmp_path / "in"
    place.mkdir()
    line = "x" * 90
    (place / "a.csv").write_text("id,name\n" + "".join(f"{number},{line}\n" for number in range(100_000)))
    (place / "b.csv").write_text("id,name\n-1,é\n")
    first = keeper.keep(files(tmp_path, keeper))
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    again = keeper.replay(files(tmp_path, keeper))
    assert sum(batch.rows.num_rows for batch in first) == 100_001
    same(first, again)


def test_a_file_whose_columns_are_read_otherwise_now_comes_again_as_it_was(tmp_path, keeper):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,amount\n1,007\n2,1.50\n")
    keeper.keep(files(tmp_path, keeper))
    (tmp_path / "in" / "a.csv").unlink()
    again = keeper.replay(files(tmp_path, keeper, columns={"amount": "text"}))
    assert pa.concat_tables([batch.rows for batch in again]).column("amount").to_pylist() == ["007", "1.50"]


def test_a_replay_begins_where_the_kept_read_began(tmp_path, keeper):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,name\n1,ada\n")
    reached = keeper.keep(files(tmp_path, keeper))[-1].position
    (tmp_path / "in" / "b.csv").write_text("id,name\n2,bob\n")
    first = keeper.keep(files(tmp_path, keeper), since=reached, run_id="run-2")
    assert [batch.rows.column("id").to_pylist() for batch in first] == [[2]]
    same(first, keeper.replay(files(tmp_path, keeper), run_id="run-2"))


def test_of_several_looks_at_a_place_the_last_one_counts(keeper):
    class Growing:
        looks = 0

        def find(self, patterns):
            self.looks += 1
            return [StoredFile(f"{n}.csv", f"{n}", 1, None, NOW, "", "") for n in range(self.looks)]

    keeper.zone.begin("run-1", "shop")
    with closing(keeper.zone.writer("run-1", "people", None)) as track:
        place = RecordedStorage(Growing(), track)
        assert [len(place.find(["*.csv"])) for _ in range(3)] == [1, 2, 3]
        track.end(WHOLE)
    again = RecordedStorage(Growing(), RawPlayer(keeper.zone.kept("run-1", "people"), Redactor()))
    assert [[file.name for file in again.find(["*.csv"])] for _ in range(2)] == [["0.csv", "1.csv", "2.csv"]] * 2
    assert again.find(["*.csv"])[0].touched == NOW


def test_known_secrets_are_blotted_out_and_the_user_is_told(tmp_path):
    keeper = Keeper(tmp_path)
    keeper.redactor.learn("canary-secret")
    keeper.keep(source([{"id": 1, "name": "it is canary-secret"}, {"id": 2, "name": "nothing"}]))
    for path in (tmp_path / ".bief" / "raw").rglob("*"):
        assert path.is_dir() or b"canary-secret" not in path.read_bytes()
    [batch] = keeper.replay(source([]))
    assert batch.rows.column("name").to_pylist() == ["it is *************", "nothing"]
    assert "1 secrets were blotted out" in keeper.heard[-1].message


def test_a_read_that_did_not_end_is_refused(keeper):
    broken = source()
    broken.breaks["people"] = (4, SourceChanged("changed"))
    with pytest.raises(SourceChanged):
        keeper.keep(broken)
    with pytest.raises(RawUnusable, match="did not come to the end"):
        keeper.zone.kept("run-1", "people")


def test_a_read_begun_anew_counts_from_there(keeper):
    broken = source()
    broken.breaks["people"] = (4, SourceChanged("changed"))
    with pytest.raises(SourceChanged):
        keeper.keep(broken)
    first = keeper.keep(source())
    same(first, keeper.replay(source([])))


def test_a_read_begun_anew_in_its_middle_is_refused(keeper):
    keeper.keep(source())
    keeper.keep(source(), since=Position({"given": 4}, complete=False))
    with pytest.raises(RawUnusable, match="changed in the middle"):
        keeper.zone.kept("run-1", "people")


def test_what_is_kept_is_on_the_disk_before_the_batch_is_given(keeper):
    keeper.zone.begin("run-1", "shop")
    how = {"zone": keeper.zone, "run_id": "run-1", "streams": frozenset({"people"})}
    batches = KeepingSource("house", source(), keeper.runtime, **how).read("people", None)
    folder = keeper.runtime.folder / ".bief" / "raw" / "run-1" / "people" / "1"
    for number in range(1, 4):
        next(batches)
        assert len((folder / "manifest.jsonl").read_text().splitlines()) == number + 1
    batches.close()


def test_a_full_disk_stops_the_run(keeper, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RawUnusable, match="No space left"):
        keeper.keep(source())


def test_the_oldest_runs_are_forgotten_whatever_their_names(keeper):
    for run_id in ("b", "c", "a"):
        keeper.zone.begin(run_id, "shop")
    keeper.zone.begin("other", "staff")
    keeper.zone.forget("shop", but=2)
    assert {path.name for path in (keeper.runtime.folder / ".bief" / "raw").iterdir()} == {"c", "a", "other"}
    keeper.zone.forget("nobody", but=1)


def test_pieces_of_one_name_come_in_their_order_and_threads_do_not_mix_them(keeper):
    keeper.zone.begin("run-1", "shop")
    track = keeper.zone.writer("run-1", "people", None)

    def write(number):
        for place in range(50):
            track.keep(f"page {number}", Kept({"n": place}, f"{number}.{place}".encode()))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    track.end(Position({}, complete=True))
    track.close()
    player = RawPlayer(keeper.zone.kept("run-1", "people"), Redactor())
    for n in range(4):
        found = [player.through(f"page {n}", pytest.fail) for _ in range(50)]
        assert [piece.body.decode() for piece in found] == [f"{n}.{i}" for i in range(50)]
    with pytest.raises(RawUnusable, match="'page 0', which was not asked"):
        player.through("page 0", pytest.fail)


LATER = Position({"at": 2}, complete=True)
HALF = Position({"at": 0}, complete=False)


@pytest.mark.parametrize(
    ("mode", "words", "positions", "full_refresh", "refused"),
    [
        ("merge", {"incremental": True}, (WHOLE, LATER), False, ""),
        ("merge", {}, (None, HALF), False, "half done"),
        ("merge", {"incremental": True}, (WHOLE, LATER), True, "what had changed only"),
        ("merge", {"incremental": True}, (None, LATER), True, ""),
        ("merge", {}, (WHOLE, HALF), True, ""),
        ("replace", {}, (WHOLE, LATER), False, ""),
        ("replace", {}, (HALF, LATER), False, "what had changed only"),
        ("history", {}, (None, LATER), False, "older than the table"),
        ("history", {}, (None, WHOLE), False, ""),
        ("history", {"cursor": "at"}, (None, LATER), False, ""),
        ("append", {}, (None, WHOLE), False, "has its rows already"),
        ("append", {"cursor": "at"}, (None, WHOLE), False, ""),
        ("append", {}, (None, WHOLE), True, ""),
    ],
)
def test_what_may_be_loaded_again(mode, words, positions, full_refresh, refused):
    before, position = positions
    stream = Stream("people", primary_key=("id",), **words)
    step = PlannedStep(
        stream=stream, table="people", mode=mode, max_rejected=Budget.parse(0), allow_empty=False,
        action="full read", guarantee="", position=position, table_exists=True, rows=7,
    )  # fmt: skip
    kept = {"people": KeptStream("run-1", "people", Path(), before, WHOLE, ())}
    if not refused:
        refuse_unsafe([step], kept, full_refresh=full_refresh)
        return
    with pytest.raises(RawUnusable, match=refused):
        refuse_unsafe([step], kept, full_refresh=full_refresh)
