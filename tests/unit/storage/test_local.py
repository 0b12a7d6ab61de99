"""Files of this machine: what is found, and what must not be."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bief.base.clock import SystemClock
from bief.errors import SourceMisread, SourceRefused
from bief.storage.local import LocalStorage


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def storage(root):
    return LocalStorage(root, SystemClock())


def names(storage, *patterns):
    return [file.name for file in storage.find(patterns)]


def write(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_are_found_once_and_by_name(root, storage):
    for name in ("b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", ".hidden.csv", "e.txt", ".git/f.csv"):
        write(root / name)

    assert names(storage, "*.csv") == ["a.csv", "b.csv"]
    assert names(storage, "*.csv", "a.csv", "a*") == ["a.csv", "b.csv"]
    assert names(storage, "**/*.csv") == ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]
    assert names(storage, "sub/*/*.csv") == ["sub/deep/d.csv"]
    assert names(storage, "s*/c.csv", "none/*.csv", "nothing") == ["sub/c.csv"]
    assert names(storage, "**") == ["a.csv", "b.csv", "e.txt", "sub/c.csv", "sub/deep/d.csv"]


def test_43_a_pattern_does_not_follow_links_to_folders(root, storage):
    write(root / "sub" / "a.csv")
    (root / "sub" / "loop").symlink_to(root)

    assert names(storage, "**/*.csv") == ["sub/a.csv"]


def test_a_file_says_when_it_changed_and_whether_that_can_be_relied_on(root, storage):
    path = write(root / "a.csv", "12345")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    (file,) = storage.find(["a.csv"])

    assert file.size_bytes == 5
    assert file.modified == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)
    assert file.version == "5-1700000000123456789"
    # The moment of modification can be set by anybody; that of the last change of anything cannot.
    assert datetime.now(UTC) - file.touched < timedelta(minutes=1)
    assert not file.is_settled


def test_any_change_gives_another_stamp(root, storage):
    path = write(root / "a.csv", "12345")
    (before,) = storage.find(["a.csv"])
    held = path.stat().st_mtime_ns
    path.write_text("54321")
    os.utime(path, ns=(held, held))
    after = storage.stat(before)

    assert after.version == before.version
    assert after.stamp != before.stamp
    path.unlink()
    assert storage.stat(before) is None


def test_a_copy_has_the_bytes_of_the_file(root, storage, tmp_path):
    write(root / "a.csv", "12345")
    (file,) = storage.find(["a.csv"])
    storage.fetch(file, tmp_path / "copy", 5)

    assert (tmp_path / "copy").read_text() == "12345"
    assert storage.local_path(file) == root / "a.csv"
    with pytest.raises(SourceMisread, match="larger than 4 bytes"):
        storage.fetch(file, tmp_path / "copy", 4)


def test_43_a_folder_is_no_file(root, storage):
    (root / "sub").mkdir()

    with pytest.raises(SourceRefused, match="a folder and not a file"):
        storage.find(["sub"])


def test_43_a_named_pipe_is_no_file(root, storage):
    os.mkfifo(root / "pipe.csv")

    with pytest.raises(SourceRefused, match="a named pipe and not a file"):
        storage.find(["*.csv"])


def test_43_a_pipe_in_the_place_of_a_file_blocks_nobody(root, storage):
    path = write(root / "a.csv")
    (file,) = storage.find(["a.csv"])
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(SourceRefused, match="a named pipe and not a file"):
        storage.open(file)


def test_43_a_socket_is_no_file(root, storage, monkeypatch):
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("x.csv")
        with pytest.raises(SourceRefused, match="a socket and not a file"):
            storage.find(["x.csv"])


def test_43_a_device_is_no_file():
    with pytest.raises(SourceRefused, match="a device and not a file"):
        LocalStorage(Path("/dev"), SystemClock()).find(["zero"])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")
def test_43_a_view_of_the_system_is_no_file():
    with pytest.raises(SourceRefused, match="a view of the operating system and not a file"):
        LocalStorage(Path("/proc/self"), SystemClock()).find(["environ"])


def test_43_a_link_out_of_the_folder_is_refused(root, storage, tmp_path):
    write(tmp_path / "secret.csv")
    (root / "a.csv").symlink_to(tmp_path / "secret.csv")

    with pytest.raises(SourceRefused, match="leads out of the folder"):
        storage.find(["*.csv"])


def test_43_a_file_that_became_a_link_out_of_the_folder_is_refused(root, storage, tmp_path):
    secret = write(tmp_path / "secret.csv")
    path = write(root / "a.csv")
    (file,) = storage.find(["a.csv"])
    path.unlink()
    path.symlink_to(secret)

    with pytest.raises(SourceRefused, match="leads out of the folder"):
        storage.open(file)


def test_43_a_link_inside_the_folder_is_a_file(root, storage):
    write(root / "kept" / "a.csv", "12345")
    (root / "latest.csv").symlink_to(root / "kept" / "a.csv")
    (file,) = storage.find(["latest.csv"])

    with storage.open(file) as stream:
        assert stream.read() == b"12345"


def test_the_folder_itself_may_be_a_link(root, tmp_path):
    write(root / "a.csv", "12345")
    (tmp_path / "link").symlink_to(root)
    storage = LocalStorage(tmp_path / "link", SystemClock())

    assert names(storage, "*.csv") == ["a.csv"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SourceRefused, match="it is not there"):
        LocalStorage(tmp_path / "none", SystemClock()).find(["*"])
    write(tmp_path / "file")
    with pytest.raises(SourceRefused, match="it is not a folder"):
        LocalStorage(tmp_path / "file", SystemClock()).find(["*"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read_is_refused(root, storage):
    path = write(root / "a.csv")
    path.chmod(0)
    (file,) = storage.find(["a.csv"])

    with pytest.raises(SourceRefused, match="Permission denied"):
        storage.open(file)


@pytest.mark.parametrize(
    "name", ["a\nb.csv", "'; DROP TABLE x;--.csv", "-rf.csv", "é☃.csv", "x" * 251 + ".csv", "%s.csv"]
)
def test_41_any_name_is_a_name(root, storage, name):
    write(root / name, "12345")
    (file,) = storage.find(["*.csv"])

    assert file.name == name
    with storage.open(file) as stream:
        assert stream.read() == b"12345"


def test_41_a_name_that_is_no_text_is_written_out(root, storage):
    with open(os.path.join(os.fsencode(root), b"caf\xe9.csv"), "wb") as stream:  # noqa: PTH118, PTH123 - bytes
        stream.write(b"12345")
    (file,) = storage.find(["*.csv"])

    assert file.name == "caf\\xe9.csv"
    with storage.open(file) as opened:
        assert opened.read() == b"12345"
