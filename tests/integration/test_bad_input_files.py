"""Bad compressed files, archives and file names: each case gets a clear error, and nothing of the file is loaded.

The number in the name of a test is that of the case in the list of bad input.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
import zlib

import pyarrow as pa
import pytest
from file_sources import STREAM, file_source, json_lines, read, rejected_of, rows_of, spooled

from bief.errors import SourceMisread, SourceRefused

ROWS = json_lines(0, 500)


def ids(batches):
    return [row["id"] for row in rows_of(batches)]


def refused(folder, name, content, match, **words):
    """The file is refused as a whole: not one row of it was given a position, and nothing stays in the spool."""
    (folder / name).write_bytes(content)
    given = []
    with file_source(folder, name, **words) as source, pytest.raises(SourceMisread, match=match) as caught:
        given.extend(source.read(STREAM, None))
    assert caught.value.where.startswith(name)
    assert caught.value.do
    assert [batch for batch in given if batch.position is not None] == []
    assert spooled(folder) == []


EMPTY = ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a.xlsx"]


@pytest.mark.parametrize("name", EMPTY)
def test_04_a_file_of_no_bytes_is_an_error(tmp_path, name):
    refused(tmp_path, name, b"", "no byte at all")


@pytest.mark.parametrize("name", EMPTY)
def test_04_a_file_of_no_bytes_has_no_rows_where_that_is_declared(tmp_path, name):
    (tmp_path / name).touch()
    events = []
    batches = read(tmp_path, name, if_empty="warn", events=events)

    assert [(batch.rows.num_rows, batch.complete) for batch in batches] == [(0, True)]
    assert [event.message for event in events if "is empty" in getattr(event, "message", "")]


def test_04_nothing_in_a_compressed_file_is_a_file_of_no_bytes(tmp_path):
    refused(tmp_path, "a.jsonl.gz", gzip.compress(b""), "no byte at all")


def test_04_nothing_in_an_archive_is_an_error(tmp_path):
    refused(tmp_path, "a.zip", archive({}), "no file in it")


@pytest.mark.parametrize("cut", [1, 4, 9, 12, 200])
def test_27_a_truncated_gzip_is_an_error(tmp_path, cut):
    refused(tmp_path, "a.jsonl.gz", gzip.compress(ROWS)[:-cut], "ends too early")


def test_27_a_gzip_of_which_only_the_beginning_is_there_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.gz", gzip.compress(ROWS)[:5], "ends too early")


def test_27_a_truncated_zstd_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.zst", pa.compress(ROWS, "zstd", asbytes=True)[:-3], "ends too early")


def test_27_something_else_called_gzip_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.gz", ROWS, "not gzip")


def test_27_something_else_called_zstd_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.zst", ROWS, "damaged")


def test_28_a_wrong_checksum_is_an_error(tmp_path):
    content = bytearray(gzip.compress(ROWS))
    content[-8] ^= 1
    refused(tmp_path, "a.jsonl.gz", bytes(content), "incorrect data check")


def test_28_a_flipped_bit_in_the_data_is_an_error(tmp_path):
    content = bytearray(gzip.compress(os.urandom(10_000)))
    content[5_000] ^= 0x10
    refused(tmp_path, "a.jsonl.gz", bytes(content), "damaged|ends too early")


def test_29_all_members_of_a_gzip_are_read(tmp_path):
    parts = [json_lines(start, start + 100) for start in range(0, 500, 100)]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(map(gzip.compress, parts)))

    assert ids(read(tmp_path, "a.jsonl.gz")) == list(range(500))


def test_29_a_member_may_begin_anywhere_in_what_is_read_at_once(tmp_path):
    parts = [gzip.compress(json_lines(start, start + 1), mtime=0) for start in range(20_000)]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(parts))

    assert ids(read(tmp_path, "a.jsonl.gz")) == list(range(20_000))


def test_29_all_frames_of_a_zstd_are_read(tmp_path):
    parts = [pa.compress(json_lines(start, start + 100), "zstd", asbytes=True) for start in range(0, 500, 100)]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(parts))

    assert ids(read(tmp_path, "a.jsonl.zst")) == list(range(500))


@pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"\x1fx", b"\0\0x", b"<html>"])
def test_30_something_after_the_end_of_a_gzip_is_an_error(tmp_path, garbage):
    refused(tmp_path, "a.jsonl.gz", gzip.compress(ROWS) + garbage, "follows the end")


@pytest.mark.parametrize("zeros", [1, 511, 600_000])
def test_30_zeros_after_the_end_of_a_gzip_are_padding(tmp_path, zeros):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ROWS) + bytes(zeros))

    assert ids(read(tmp_path, "a.jsonl.gz")) == list(range(500))


def test_30_something_after_the_end_of_a_zstd_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.zst", pa.compress(ROWS, "zstd", asbytes=True) + b"<html>", "damaged")


def spaces(megabytes):
    """A gzip bomb: white space, which a reader of JSON lines skips."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    line = (b" " * 1023 + b"\n") * 1024
    return b"".join(packer.compress(line) for _ in range(megabytes)) + packer.flush()


def test_31_a_file_that_swells_too_much_is_an_error(tmp_path):
    refused(tmp_path, "a.jsonl.gz", spaces(64), "swells more than 200 times")


def test_31_how_much_it_may_swell_can_be_declared(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(spaces(64) + gzip.compress(ROWS))

    assert len(ids(read(tmp_path, "a.jsonl.gz", limits={"max_ratio": 2000}))) == 500


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.jsonl", lambda text: text),
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.zst", lambda text: pa.compress(text, "zstd", asbytes=True)),
        ("a.zip", lambda text: archive({"a.jsonl": text})),
    ],
)
def test_31_a_file_that_is_too_large_is_an_error(tmp_path, name, pack):
    refused(tmp_path, name, pack(ROWS), "bytes", limits={"max_bytes": 9000})
    assert len(ROWS) > 9000 > len(gzip.compress(ROWS))


def test_31_a_bomb_in_an_archive_is_an_error(tmp_path):
    refused(tmp_path, "a.zip", archive({"a.jsonl": b" " * (64 << 20)}), "swells more than 200 times")


def test_31_a_bomb_of_a_format_that_is_unpacked_first_is_an_error(tmp_path):
    refused(tmp_path, "a.parquet.gz", spaces(64), "swells more than 200 times")


def test_31_memory_stays_flat_up_to_the_limit(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(spaces(600))
    script = (
        "import re, sys; sys.path.insert(0, sys.argv[2]);"
        "from pathlib import Path; from file_sources import read;"
        "print(sum(b.rows.num_rows for b in read(Path(sys.argv[1]), 'a.jsonl.gz', limits={'max_ratio': 100000})));"
        # Not getrusage: a new process begins there with the peak of the one that started it.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    support = os.path.dirname(sys.modules["file_sources"].__file__)  # noqa: PTH120 - a name for another process
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), support], capture_output=True, text=True, check=True
    )
    rows, kilobytes = map(int, done.stdout.split())
    assert rows == 0
    assert kilobytes < 400 * 1024


def archive(entries, **words):
    """A zip archive of names and contents; entries may be ready-made ZipInfo objects."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, **words) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return made.getvalue()


def test_32_an_archive_inside_an_archive_is_an_error(tmp_path):
    refused(tmp_path, "a.zip", archive({"b.zip": archive({"a.jsonl": ROWS})}), "inside an archive")
    refused(tmp_path, "b.zip", archive({"b.jsonl.gz": gzip.compress(ROWS)}), "inside an archive")


def test_32_an_archive_that_hides_its_name_is_an_error(tmp_path):
    refused(tmp_path, "a.zip", archive({"b.jsonl": archive({"a.jsonl": ROWS})}), "inside an archive")


@pytest.mark.parametrize(
    "name", ["../../etc/x.jsonl", "a/../../x.jsonl", "/etc/x.jsonl", "C:\\x.jsonl", "..\\x.jsonl", "C:/x.jsonl"]
)
def test_33_an_entry_that_leads_elsewhere_is_an_error(tmp_path, name):
    refused(tmp_path, "a.zip", archive({name: ROWS}), "leads out of the archive")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_33_an_entry_that_is_no_file_is_an_error(tmp_path, kind):
    entry = zipfile.ZipInfo("a.jsonl")
    entry.create_system = 3
    entry.external_attr = (kind | 0o644) << 16
    refused(tmp_path, "a.zip", archive({entry: b"/etc/passwd"}), "a link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_33_two_entries_of_one_name_are_an_error(tmp_path):
    entries = {zipfile.ZipInfo("a.jsonl"): ROWS, zipfile.ZipInfo("a.jsonl"): b"{}\n"}
    refused(tmp_path, "a.zip", archive(entries), "twice")


def test_33_folders_and_hidden_entries_are_left_out(tmp_path):
    entries = {"sub/": b"", "sub/a.jsonl": ROWS, "__MACOSX/sub/._a.jsonl": b"x", "sub/.DS_Store": b"x"}
    (tmp_path / "a.zip").write_bytes(archive(entries))

    assert ids(read(tmp_path, "a.zip")) == list(range(500))


def test_34_an_encrypted_archive_is_an_error(tmp_path):
    content = bytearray(archive({"a.jsonl": ROWS}))
    # The flag in the local header and in the directory, as a packer with a password sets it.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature) + offset
        content[place : place + 2] = struct.pack("<H", 1)
    refused(tmp_path, "a.zip", bytes(content), "encrypted, which Bief cannot read")


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_34_a_truncated_archive_is_an_error(tmp_path, cut):
    refused(tmp_path, "a.zip", archive({"a.jsonl": ROWS})[:-cut], "damaged")


def test_34_a_damaged_entry_is_an_error(tmp_path):
    content = bytearray(archive({"a.jsonl": ROWS}))
    content[500] ^= 0x10
    refused(tmp_path, "a.zip", bytes(content), "damaged")


def test_34_a_damaged_entry_takes_the_whole_archive_down(tmp_path):
    content = bytearray(archive({"a.jsonl": json_lines(0, 5000), "b.jsonl": os.urandom(4000)}))
    content[content.rindex(b"b.jsonl", 0, content.index(b"PK\x01\x02")) + 1000] ^= 0x10
    refused(tmp_path, "a.zip", bytes(content), "damaged")


@pytest.mark.parametrize("text", [b'{"id": 1}\n{"id": 2', b'{"id": 1}\n{"id": 2, "x": "a', b'{"id": 1}\n{"x": tru'])
def test_40_a_last_line_that_was_cut_is_an_error(tmp_path, text):
    refused(tmp_path, "a.jsonl", text, "middle of a record")


def test_40_a_last_line_needs_no_end(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1}\n{"id": 2}')

    assert ids(read(tmp_path, "a.jsonl")) == [1, 2]


def test_40_a_bad_last_line_is_a_rejected_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1}\n\n{"id": 2} x\n{"id": 3}\n[4]')
    batches = read(tmp_path, "a.jsonl")

    assert ids(batches) == [1, 3]
    assert [(row.origin, row.rule) for row in rejected_of(batches)] == [
        ("a.jsonl, line 3", "invalid_json"),
        ("a.jsonl, line 5", "not_an_object"),
    ]


def test_40_a_file_that_grows_keeps_its_last_line_back(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1}\n{"id": 2')
    first = read(tmp_path, "a.jsonl", tail=True)
    with (tmp_path / "a.jsonl").open("ab") as stream:
        stream.write(b'2}\n{"id": 3}\n{"i')
    second = read(tmp_path, "a.jsonl", first[-1].position, tail=True)
    third = read(tmp_path, "a.jsonl", second[-1].position, tail=True)

    assert (ids(first), ids(second), ids(third)) == ([1], [22, 3], [])
    assert second[0].provenance.origin(1) == "a.jsonl, line 3"


def test_40_a_file_that_grew_anew_is_loaded_again(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(json_lines(0, 10))
    first = read(tmp_path, "a.jsonl", tail=True)
    (tmp_path / "a.jsonl").write_bytes(json_lines(100, 120))
    events = []
    second = read(tmp_path, "a.jsonl", first[-1].position, tail=True, events=events)

    assert ids(second) == list(range(100, 120))
    assert [event.message for event in events if "does not begin as it did" in getattr(event, "message", "")]


@pytest.mark.parametrize("name", ["a\nb.jsonl", "a';--\".jsonl", "-rf.jsonl", "é☃.jsonl", "x" * 249 + ".jsonl"])
def test_41_any_file_name_is_read_and_remembered(tmp_path, name):
    (tmp_path / name).write_bytes(ROWS)
    batches = read(tmp_path, "*.jsonl", add={"file": "_file"})

    assert {row["_file"] for row in rows_of(batches)} == {name}
    assert batches[0].provenance.origin(0) == f"{name}, line 1"
    assert ids(read(tmp_path, "*.jsonl", batches[-1].position)) == []


def test_42_no_file_is_an_error(tmp_path):
    with pytest.raises(SourceRefused, match=r"no file that matches \*\.csv") as caught:
        read(tmp_path, "*.csv")
    assert "if_missing: warn" in caught.value.do


def test_42_no_file_may_be_normal(tmp_path):
    events = []
    batches = read(tmp_path, "*.csv", if_missing="warn", events=events)

    assert [(batch.rows.num_rows, batch.complete) for batch in batches] == [(0, True)]
    assert "no file that matches *.csv" in events[0].message


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_43_what_is_no_file_below_the_path_is_an_error(tmp_path, kind):
    folder = tmp_path / "data"
    folder.mkdir()
    if kind == "pipe":
        os.mkfifo(folder / "a.csv")
    elif kind == "folder":
        (folder / "a.csv").mkdir()
    else:
        (folder / "a.csv").symlink_to("/etc/passwd")
    with pytest.raises(SourceRefused, match=r"not a file|leads out"):
        read(folder, "a.csv")


def test_43_a_device_is_an_error(tmp_path):
    with pytest.raises(SourceRefused, match="a device"):
        read(tmp_path, "zero", path="/dev", format="csv")
