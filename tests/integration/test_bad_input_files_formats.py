"""Parquet, Arrow, Excel and JSON files that are damaged or odd.

The number in the name of a test is that of the case in the list of bad input.
"""

from __future__ import annotations

import json
import struct
import zipfile
from datetime import date, datetime, time
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_sources import STREAM, again, file_source, read, rejected_of, rows_of, spooled

from bief.errors import SourceChanged, SourceMisread

TABLE = pa.table({"id": list(range(1000)), "text": [f"text {number}" for number in range(1000)]})


def refused(folder, name, match, **words):
    given = []
    with file_source(folder, name, **words) as source, pytest.raises(SourceMisread, match=match) as caught:
        given.extend(source.read(STREAM, None))
    assert caught.value.where.startswith(name)
    assert caught.value.do
    assert [batch for batch in given if batch.position is not None] == []
    assert spooled(folder) == []


def parquet(folder, table=TABLE, **words):
    path = folder / "a.parquet"
    pq.write_table(table, path, **words)
    return path


def changed(path, place, content):
    whole = bytearray(path.read_bytes())
    whole[place : place + len(content)] = content
    path.write_bytes(whole)


def test_38_a_parquet_file_with_a_wrong_beginning_is_an_error(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"id,name\n1,x\n" * 10)
    refused(tmp_path, "a.parquet", "magic bytes not found")


@pytest.mark.parametrize("cut", [1, 8, 100, 2000])
def test_38_a_truncated_parquet_file_is_an_error(tmp_path, cut):
    path = parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_a_corrupt_footer_is_an_error(tmp_path):
    path = parquet(tmp_path)
    changed(path, path.stat().st_size - 200, b"\xff" * 100)
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_a_footer_of_an_absurd_length_is_an_error(tmp_path):
    path = parquet(tmp_path)
    changed(path, path.stat().st_size - 8, struct.pack("<I", 2**31))
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_a_page_with_a_wrong_checksum_is_an_error(tmp_path):
    path = parquet(tmp_path, use_dictionary=False, compression="none", write_page_checksum=True)
    place = path.read_bytes().index(b"text 500")
    changed(path, place, b"TEXT")
    refused(tmp_path, "a.parquet", r"checksum|CRC")


def test_38_a_damaged_page_is_an_error(tmp_path):
    path = parquet(tmp_path, compression="zstd", use_dictionary=False)
    changed(path, 300, b"\xff" * 200)
    refused(tmp_path, "a.parquet", "no Parquet file")


def footer_number(path, old, new):
    """Replace a number of the footer (thrift's zigzag) by another one of the same length."""
    whole = path.read_bytes()
    length = struct.unpack("<I", whole[-8:-4])[0]
    start = len(whole) - 8 - length
    footer = whole[start:-8]
    assert old in footer
    assert len(old) == len(new)
    path.write_bytes(whole[:start] + footer.replace(old, new) + whole[-8:])


def varint(number):
    number = (number << 1) ^ (number >> 63)
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


@pytest.mark.parametrize("absurd", [8191, 1001])
def test_38_an_absurd_number_of_values_is_an_error(tmp_path, absurd):
    path = parquet(tmp_path)
    footer_number(path, varint(1000), varint(absurd))
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_an_unknown_codec_is_an_error(tmp_path):
    path = parquet(tmp_path, pa.table({"id": [1, 2]}), compression="zstd", use_dictionary=False, write_statistics=False)
    whole = path.read_bytes()
    start = len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0]
    hits = 0
    for place in range(start, len(whole) - 8):
        # The codec is a number of two bytes or one: 6 is zstd, 3 is LZO, which no Arrow reads.
        if whole[place : place + 2] == b"\x15\x0c":
            hits += 1
            whole = whole[:place] + b"\x15\x06" + whole[place + 2 :]
    assert hits
    path.write_bytes(whole)
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_an_encrypted_parquet_file_is_an_error(tmp_path):
    path = parquet(tmp_path)
    changed(path, 0, b"PARE")
    changed(path, path.stat().st_size - 4, b"PARE")
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_a_damaged_row_group_takes_the_groups_before_it_down(tmp_path):
    path = parquet(tmp_path, row_group_size=100, compression="zstd", use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(9).column(0).data_page_offset
    changed(path, start, b"\xff" * 60)
    refused(tmp_path, "a.parquet", "no Parquet file")


def test_38_random_damage_never_gives_a_whole_file(tmp_path):
    """Whatever byte is wrong: the file is refused, or what is read is what was written."""
    path = parquet(tmp_path, compression="zstd", write_page_checksum=True)
    whole = path.read_bytes()
    for place in range(4, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            batches = read(tmp_path, "a.parquet")
        except SourceMisread:
            continue
        assert sum(batch.rows.num_rows for batch in batches) == 1000


@pytest.mark.parametrize("cut", [1, 10, 300])
def test_38_a_truncated_arrow_file_is_an_error(tmp_path, cut):
    path = tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    path.write_bytes(path.read_bytes()[:-cut])
    refused(tmp_path, "a.arrow", "no Arrow file")


def test_38_offsets_that_lead_out_of_an_arrow_file_are_an_error(tmp_path):
    path = tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    offsets = TABLE.column("text").chunk(0).buffers()[1].to_pybytes()[:400]
    changed(path, path.read_bytes().index(offsets) + 40, struct.pack("<i", 2**30))
    refused(tmp_path, "a.arrow", "no Arrow file")


def test_arrow_streams_are_read_too(tmp_path):
    with pa.OSFile(str(tmp_path / "a.ipc"), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=100)

    assert rows_of(read(tmp_path, "a.ipc")) == TABLE.to_pylist()


@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_a_file_without_rows_keeps_its_columns(tmp_path, name):
    empty = TABLE.slice(0, 0)
    if name == "a.parquet":
        pq.write_table(empty, tmp_path / name)
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_file(sink, empty.schema) as writer:
            writer.write_table(empty)
    (batch,) = read(tmp_path, name)

    assert batch.typed
    assert batch.rows.schema.field("id").type == pa.int64()


WALL = datetime(2024, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - a wall time has no zone
MIDNIGHT = datetime(2024, 1, 3)  # noqa: DTZ001 - as in Excel


def test_every_type_of_parquet_becomes_a_type_of_a_table(tmp_path):
    table = pa.table(
        {
            "small": pa.array([1], pa.int8()),
            "huge": pa.array([2**64 - 1], pa.uint64()),
            "half": pa.array([1.5], pa.float32()),
            "money": pa.array([Decimal("12.30")], pa.decimal128(10, 2)),
            "wide": pa.array([Decimal(10) ** 60], pa.decimal256(70, 0)),
            "day": pa.array([date(2024, 1, 2)], pa.date32()),
            "hour": pa.array([time(3, 4, 5)], pa.time64("us")),
            "wall": pa.array([WALL], pa.timestamp("us")),
            "exact": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns")),
            "round": pa.array([1_700_000_000_000_001_000], pa.timestamp("ns", tz="Europe/Paris")),
            "word": pa.array(["x"]).dictionary_encode(),
            "long": pa.array(["y"], pa.large_string()),
            "raw": pa.array([b"\xff"], pa.binary(1)),
            "list": pa.array([[1, None, 3]]),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "object": pa.array([{"a": {"b": 5}, "c": "z"}]),
            "none": pa.array([None], pa.null()),
            "truth": [True],
        }
    )
    parquet(tmp_path, table, store_schema=True)
    (batch,) = read(tmp_path, "a.parquet")
    (row,) = rows_of([batch])

    assert batch.typed
    assert row["huge"] == Decimal(2**64 - 1)
    assert (row["small"], row["half"], row["money"], row["truth"]) == (1, 1.5, Decimal("12.30"), True)
    assert row["wide"] == "1" + "0" * 60
    assert (row["day"], row["hour"], row["wall"]) == (date(2024, 1, 2), "03:04:05.000000", WALL)
    assert row["exact"] == "2023-11-14 22:13:20.000000001"
    assert row["round"].isoformat() == "2023-11-14T22:13:20.000001+00:00"
    assert (row["word"], row["long"], row["raw"]) == ("x", "y", b"\xff")
    assert (json.loads(row["list"]), json.loads(row["map"])) == ([1, None, 3], [["k", 1]])
    assert (row["object__a__b"], row["object__c"], row["none"]) == (5, "z", None)
    assert json.loads(batch.provenance.raw(0))["money"] == "12.30"
    assert batch.provenance.origin(0) == "a.parquet, row 1"


def test_a_column_that_fits_no_exact_type_later_in_the_file_becomes_text_everywhere(tmp_path):
    moments = [1_700_000_000_000_000_000] * 100_000 + [1_700_000_000_000_000_001]
    parquet(tmp_path, pa.table({"at": pa.array(moments, pa.timestamp("ns"))}), row_group_size=50_000)
    with file_source(tmp_path, "a.parquet") as source:
        with pytest.raises(SourceChanged, match="at fit no exact type"):
            list(source.read(STREAM, None))
        batches = list(source.read(STREAM, None))

    assert {batch.rows.schema.field("at").type for batch in batches if batch.rows.num_rows} == {pa.string()}
    assert sum(batch.rows.num_rows for batch in batches) == 100_001


def test_two_columns_of_one_name_are_an_error(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet(tmp_path, table)
    refused(tmp_path, "a.parquet", "two columns called 'a'")


def excel(folder, rows, name="a.xlsx", **sheets):
    book = openpyxl.Workbook()
    book.active.title = "First"
    for row in rows:
        book.active.append(row)
    for title, more in sheets.items():
        sheet = book.create_sheet(title)
        for row in more:
            sheet.append(row)
    book.save(folder / name)


def test_39_a_formula_in_a_text_is_stored_as_it_stands(tmp_path):
    texts = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3"]
    excel(tmp_path, [["id", "text"]])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    for number, text in enumerate(texts, 2):
        book.active.cell(number, 1, number)
        cell = book.active.cell(number, 2, text)
        cell.data_type = "s"
    book.save(tmp_path / "a.xlsx")

    assert [row["text"] for row in rows_of(read(tmp_path, "a.xlsx"))] == texts


def test_each_column_of_a_sheet_has_one_type(tmp_path):
    excel(
        tmp_path,
        [
            ["id", "price", "mixed", "day", "at", "truth", "empty"],
            [1, 1.5, "x", date(2024, 1, 2), WALL.replace(microsecond=0), True, None],
            [2, 2, 7, date(2024, 1, 3), MIDNIGHT, False, None],
            [],
            [3, 0.1, 1.25, None, None, None, None],
        ],
    )
    batches = read(tmp_path, "a.xlsx")

    assert [(row["id"], row["price"], row["mixed"], row["truth"]) for row in rows_of(batches)] == [
        (1, 1.5, "x", True),
        (2, 2.0, "7", False),
        (3, 0.1, "1.25", None),
    ]
    row = rows_of(batches)[0]
    assert (row["day"], row["at"]) == (date(2024, 1, 2), WALL.replace(microsecond=0))
    assert batches[0].typed
    assert batches[0].provenance.origin(2) == "a.xlsx, row 5"
    assert json.loads(batches[0].provenance.raw(0))["mixed"] == "x"


def test_the_sheet_and_its_header_can_be_chosen(tmp_path):
    rows = [["Report"], [], ["id", "name"], [1, "x"]]
    excel(tmp_path, [["no"]], Orders=rows)

    for sheet in ("Orders", 2):
        assert rows_of(read(tmp_path, "a.xlsx", excel={"sheet": sheet, "header_row": 3})) == [{"id": 1, "name": "x"}]
    refused(tmp_path, "a.xlsx", "no sheet 'Nothing'; its sheets are 'First', 'Orders'", excel={"sheet": "Nothing"})
    refused(tmp_path, "a.xlsx", "no sheet 3", excel={"sheet": 3})
    refused(tmp_path, "a.xlsx", "no names of columns", excel={"sheet": 2, "header_row": 2})


def test_two_columns_of_a_sheet_with_one_name_are_an_error(tmp_path):
    excel(tmp_path, [["a", "a"], [1, 2]])
    refused(tmp_path, "a.xlsx", "Two columns are called 'a'")


@pytest.mark.parametrize("content", [b"PK\x03\x04 not really", b"id,name\n1,x\n"])
def test_38_a_damaged_excel_file_is_an_error(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    refused(tmp_path, "a.xlsx", r"no Excel file|damaged")


def test_31_an_excel_file_that_swells_is_an_error(tmp_path):
    excel(tmp_path, [["id"], [1]])
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/bomb.xml", b" " * (64 << 20))
    refused(tmp_path, "a.xlsx", "swells more than 200 times")


def test_31_an_excel_file_with_a_cell_far_away_does_not_fill_the_memory(tmp_path):
    excel(tmp_path, [["id"], [1]])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    book.active.cell(1_048_576, 16_384, "far")
    book.save(tmp_path / "a.xlsx")
    refused(tmp_path, "a.xlsx", "cells")


def test_a_list_anywhere_in_a_document_is_found(tmp_path):
    rows = [{"id": number, "a": {"b": [number]}} for number in range(30)]
    for name, document, path in (
        ("top.json", rows, ""),
        ("deep.json", {"data": {"the rows": rows}, "more": 1}, "data.the rows"),
    ):
        for indent in (None, 2):
            (tmp_path / name).write_text(json.dumps(document, indent=indent))
            batches = read(tmp_path, name, json={"records": path})
            assert [row["id"] for row in rows_of(batches)] == list(range(30))
            assert batches[0].provenance.origin(7) == f"{name}, record 8"
            assert json.loads(batches[0].provenance.raw(7)) == rows[7]


def test_a_document_may_be_one_record(tmp_path):
    (tmp_path / "a.json").write_text(' {"id": 1}')

    assert rows_of(read(tmp_path, "a.json")) == [{"id": 1}]


def test_a_document_of_no_records_has_no_rows(tmp_path):
    (tmp_path / "a.json").write_text("[]")

    assert [(batch.rows.num_rows, batch.complete) for batch in read(tmp_path, "a.json")] == [(0, True)]


@pytest.mark.parametrize(
    ("text", "path"), [('{"a": 1}', "b"), ('{"a": null}', "a"), ('{"a": {}}', "a"), ("[]", "a"), ('"x"', ""), ("5", "")]
)
def test_55_a_list_that_is_not_there_is_an_error(tmp_path, text, path):
    (tmp_path / "a.json").write_text(text)
    refused(tmp_path, "a.json", "no list of records", json={"records": path})


@pytest.mark.parametrize(
    "text", ['[{"id": 1}, {"id"', '[{"id": 1}', '[{"id": 1}] x', "<html>", '[{"id": 1}, {"id": "x]']
)
def test_40_a_document_that_was_cut_is_an_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    refused(tmp_path, "a.json", "not JSON")


def test_44_one_bad_record_of_a_document_is_a_rejected_row(tmp_path):
    (tmp_path / "a.json").write_text('{"rows": [{"id": 1}, {"id": NaN}, {"id": 3}, [4]]}')
    batches = read(tmp_path, "a.json", json={"records": "rows"})

    assert [row["id"] for row in rows_of(batches)] == [1, 3]
    assert sorted(row.rule for row in rejected_of(batches)) == ["invalid_json", "not_an_object"]
    assert [row.origin for row in rejected_of(batches) if row.rule == "invalid_json"] == ["a.json, record 2"]


def test_a_document_that_is_too_large_says_what_to_do(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"id": number} for number in range(1000)]))
    refused(tmp_path, "a.json", "more than 1000 bytes", json={"max_document_bytes": 1000})


def test_63_a_line_that_is_too_long_is_a_rejected_row(tmp_path, monkeypatch):
    monkeypatch.setattr("bief.sources.files.json_lines._BLOCK_BYTES", 1 << 16)
    long = b'{"id": 2, "text": "' + b"x" * 400_000 + b'"}\n'
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1}\n' + long + b'{"id": 3}\n' + long)
    with file_source(tmp_path, "a.jsonl") as source:
        source._reader(STREAM, "jsonl", has_tabs=False)._max_record_bytes = 300_000
        batches = list(source.read(STREAM, None))

    assert [row["id"] for row in rows_of(batches)] == [1, 3]
    assert [(row.origin, row.rule) for row in rejected_of(batches)] == [
        ("a.jsonl, line 2", "too_large"),
        ("a.jsonl, line 4", "too_large"),
    ]
    assert all(len(row.raw) <= 1 << 16 for row in rejected_of(batches))


def test_65_a_mark_at_the_beginning_is_no_part_of_the_first_record(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}\r\n')
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf[{"id": 1}]')

    assert rows_of(read(tmp_path, "a.jsonl")) == [{"id": 1}, {"id": 2}]
    assert rows_of(read(tmp_path, "a.json")) == [{"id": 1}]


def test_11_json_lines_in_utf_16_are_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"id": 1}\n'.encode("utf-16"))
    refused(tmp_path, "a.jsonl", "UTF-16")


def test_12_a_byte_that_is_no_utf_8_rejects_its_record_only(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": 1}\n{"id": "\xff"}\n')
    (tmp_path / "a.json").write_bytes(b'[{"id": 1},{"id": "\xff"}]')

    for name in ("a.jsonl", "a.json"):
        batches = read(tmp_path, name)
        assert rows_of(batches) == [{"id": 1}]
        assert [row.rule for row in rejected_of(batches)] == ["invalid_json"]


def test_a_compressed_parquet_file_is_unpacked_first(tmp_path):
    path = parquet(tmp_path)
    (tmp_path / "b.parquet.zst").write_bytes(pa.compress(path.read_bytes(), "zstd", asbytes=True))
    batches = read(tmp_path, "b.parquet.zst")

    assert rows_of(batches) == TABLE.to_pylist()
    assert spooled(tmp_path) == []
    assert rows_of(read(tmp_path, "b.parquet.zst", again(batches[-1].position))) == []
