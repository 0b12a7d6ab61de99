"""Files in an S3-compatible store: a real one, OpenStack Swift."""

from __future__ import annotations

import gzip
import hashlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_sources import STREAM, again, file_source, json_lines, rows_of, spooled

from bief.base.events import Retried
from bief.base.secrets import Redactor
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime

SECRET = "testing"


@pytest.fixture
def bucket(s3_server):
    """An empty bucket."""
    name = f"bief-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_dir(name)
    return name


@pytest.fixture
def store(s3_server, bucket):
    """Puts objects into the bucket."""
    client = s3_server.client()

    def put(key, content):
        with client.open_output_stream(f"{bucket}/{key}", compression=None) as stream:
            stream.write(content)

    return put


@pytest.fixture
def opened(s3_server, bucket, tmp_path):
    """Opens a source on the bucket."""

    def source(files, *, path="", **words):
        keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
        options = {"path": f"s3://{bucket}/{path}", "endpoint": s3_server.endpoint, **keys, **words}
        return file_source(tmp_path, files, **options)

    return source


def ids(batches):
    return [row["id"] for row in rows_of(batches)]


def test_objects_are_found_and_read(opened, store, tmp_path):
    store("in/a.jsonl", json_lines(0, 10))
    store("in/b.jsonl.gz", gzip.compress(json_lines(10, 20)))
    store("in/deep/er/c.jsonl", json_lines(20, 30))
    store("other/d.jsonl", json_lines(30, 40))

    for files, expected in (
        ("*.jsonl*", range(20)),
        ("**/*.jsonl", [*range(10), *range(20, 30)]),
        ("a.jsonl", range(10)),
    ):
        with opened(files, path="in/") as source:
            source.check()
            assert ids(source.read(STREAM, None)) == list(expected)
            assert ids([source.sample(STREAM, 3)]) == list(expected)[:3]
    assert spooled(tmp_path) == []


def test_a_bucket_without_a_folder_is_a_path_too(opened, store):
    store("a.jsonl", json_lines(0, 10))
    store("in/b.jsonl", json_lines(10, 20))

    with opened("**/*.jsonl") as source:
        assert ids(source.read(STREAM, None)) == list(range(20))


def test_a_second_read_fetches_only_what_is_new(opened, store):
    store("a.jsonl", json_lines(0, 10))
    with opened("*.jsonl", add={"file": "_file"}) as source:
        first = list(source.read(STREAM, None))
    store("b.jsonl", json_lines(10, 20))
    with opened("*.jsonl", add={"file": "_file"}) as source:
        second = list(source.read(STREAM, again(first[-1].position)))
    store("a.jsonl", json_lines(50, 60))
    with opened("*.jsonl", add={"file": "_file"}) as source:
        third = list(source.read(STREAM, again(second[-1].position)))

    assert (ids(second), ids(third)) == (list(range(10, 20)), list(range(50, 60)))
    assert {row["_file"] for row in rows_of(third)} == {"a.jsonl"}


def test_parquet_in_a_store_is_read_from_a_local_copy(opened, store, tmp_path):
    table = pa.table({"id": list(range(1000))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    store("a.parquet", sink.getvalue().to_pybytes())

    with opened("a.parquet") as source:
        batches = source.read(STREAM, None)
        assert ids(batches) == list(range(1000))
    assert spooled(tmp_path) == []


def test_an_object_of_several_parts_is_read_whole(opened, store):
    content = json_lines(0, 900_000)
    assert len(content) > 24 << 20
    store("large.jsonl", content)

    with opened("large.jsonl") as source:
        batches = list(source.read(STREAM, None))
    assert sum(batch.rows.num_rows for batch in batches) == 900_000
    assert batches[-1].position.value["files"]["large.jsonl"][1] == hashlib.sha256(content).hexdigest()


def test_more_than_a_thousand_objects_are_found(opened, store):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: store(f"many/{number:04}.jsonl", b""), range(1100)))

    with opened("*.jsonl", path="many", if_empty="warn") as source:
        found = source._storage.find(["*.jsonl"])
    assert [file.name for file in found] == [f"{number:04}.jsonl" for number in range(1100)]


@pytest.mark.parametrize("name", ["a b.jsonl", "é☃.jsonl", "a+b%20c.jsonl", "a'\";&.jsonl", "-rf.jsonl"])
def test_41_any_key_is_a_name(opened, store, name):
    store(f"in/{name}", json_lines(0, 3))

    with opened("*.jsonl", path="in", add={"file": "_file"}) as source:
        assert {row["_file"] for row in rows_of(list(source.read(STREAM, None)))} == {name}


def test_an_object_that_is_replaced_while_it_is_fetched_is_fetched_again(opened, store, tmp_path, monkeypatch):
    """Each part is a request of its own; two halves of two versions must not make one file."""
    monkeypatch.setattr("bief.storage.s3._READ_BYTES", 1 << 20)
    old, new = json_lines(0, 100_000), json_lines(100_000, 200_000)
    store("a.jsonl", old + b"\n" * (len(new) - len(old)))
    replaced = threading.Event()
    events = []
    with opened("a.jsonl", events=events) as source:
        file = source._storage.find(["a.jsonl"])[0]
        real = source._storage._store.open_input_stream

        class Watched:
            """The store, in which somebody replaces the object after its first part was read."""

            def __getattr__(self, name):
                return getattr(real_store, name)

            def open_input_stream(self, key, **words):
                stream = real(key, **words)
                if not replaced.is_set():
                    replaced.set()
                    stream.metadata()
                    store("a.jsonl", new)
                return stream

        real_store = source._storage._store
        source._storage._opened = Watched()
        source._storage.fetch(file, tmp_path / "copy", 1 << 30)
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).digest() == hashlib.sha256(new).digest()
    assert [event for event in events if isinstance(event, Retried)]


def test_an_object_that_is_too_large_is_not_fetched(opened, store):
    store("a.jsonl", json_lines(0, 1000))
    with (
        opened("a.jsonl", limits={"max_bytes": 1000}) as source,
        pytest.raises(SourceMisread, match="1000 are allowed"),
    ):
        list(source.read(STREAM, None))


def test_a_wrong_key_is_refused_without_its_secret(opened, store):
    store("a.jsonl", json_lines(0, 3))
    for files in ("a.jsonl", "*.jsonl"):
        with (
            opened(files, access_key="test:tester", secret_key="not-the-secret") as source,
            pytest.raises(SourceRefused) as caught,
        ):
            source.check()
        assert "not-the-secret" not in str(caught.value)
        assert "Check `path`, `endpoint`, `region` and the keys" in caught.value.do


def test_42_a_folder_or_bucket_without_objects_is_an_error(opened, tmp_path, s3_server):
    with opened("*.csv", path="none") as source, pytest.raises(SourceRefused, match="no file that matches"):
        source.check()
    with (
        file_source(
            tmp_path,
            "*.csv",
            path="s3://no-such-bucket/x",
            endpoint=s3_server.endpoint,
            access_key=s3_server.access_key,
            secret_key=s3_server.secret_key,
        ) as source,
        pytest.raises(SourceRefused),
    ):
        source.check()


def test_a_store_that_is_not_there_is_tried_again_and_then_unavailable(tmp_path):
    events = []
    stop = threading.Event()
    runtime = Runtime(folder=tmp_path, emit=lambda event: events.append(event) or stop.set(), stop=stop)
    with (
        file_source(
            tmp_path,
            "*.csv",
            runtime=runtime,
            path="s3://bucket/x",
            endpoint="http://127.0.0.1:1",
            access_key="key",
            secret_key=SECRET,
        ) as source,
        pytest.raises(SourceUnavailable, match="did not answer"),
    ):
        source.check()
    assert isinstance(events[0], Retried)


def test_the_keys_are_known_to_the_redactor(tmp_path):
    runtime = Runtime(folder=tmp_path, redactor=Redactor())
    words = {"path": "s3://bucket/x", "access_key": "an-access-key", "secret_key": "a-secret-key"}
    with file_source(tmp_path, "*.csv", runtime=runtime, **words):
        assert runtime.redactor.clean("an-access-key a-secret-key") == "*** ***"
