"""What a file's name says."""

import pytest

from bief.sources.files.formats import ending_is_tab, format_of, packing_of, unpacked_name


@pytest.mark.parametrize(
    ("name", "packing", "inside", "format_"),
    [
        ("a.csv", "none", "a.csv", "csv"),
        ("sub/A.CSV.GZ", "gzip", "sub/A.CSV", "csv"),
        ("a.tsv.zst", "zstd", "a.tsv", "csv"),
        ("a.b.ndjson", "none", "a.b.ndjson", "jsonl"),
        ("a.feather", "none", "a.feather", "arrow"),
        ("a.xlsx", "none", "a.xlsx", "excel"),
        ("a.zip", "zip", "a", None),
        ("csv", "none", "csv", None),
        ("a.csv.bak", "none", "a.csv.bak", None),
        (".csv", "none", ".csv", None),
        ("folder.csv/data", "none", "folder.csv/data", None),
    ],
)
def test_endings_tell_compression_and_format(name, packing, inside, format_):
    assert packing_of(name, "auto") == packing
    assert unpacked_name(name, packing) == inside
    assert format_of(inside) == format_


def test_what_is_declared_goes_before_the_ending():
    assert packing_of("a.csv", "gzip") == "gzip"
    assert packing_of("a.csv.gz", "none") == "none"
    assert unpacked_name("a.csv", "gzip") == "a.csv"


def test_tabs_are_told_through_the_compression():
    assert ending_is_tab("a.tsv.gz")
    assert not ending_is_tab("a.csv")
