"""What the project file may say about files, and what it must not."""

import pytest
from pydantic import ValidationError

from bief.sources.files import FilesSource


def options(stream=None, **words):
    streams = {"rows": {"files": "*.csv", **(stream or {})}}
    return FilesSource.Options.model_validate({"streams": streams, **words})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"path": "ftp://example.com/x"}, "must be a folder of this machine"),
        ({"path": "https://user:password@example.com/x"}, "without user, password"),
        ({"path": "https://example.com/x?key=1"}, "without user, password and query"),
        ({"path": "s3://"}, "looks like s3://bucket"),
        ({"path": ""}, "must name a folder"),
        ({"endpoint": "https://example.com"}, "begins with s3://"),
        ({"path": "s3://bucket", "endpoint": "example.com"}, "looks like https://storage"),
        ({"path": "s3://bucket", "access_key": "x"}, "belong together"),
        ({"headers": {"X": "y"}}, "begins with https://"),
        ({"path": "https://example.com", "headers": {"X Y": "y"}}, "name of a header"),
        ({"path": "https://example.com"}, "does not list its files"),
        ({"stream": {"files": "../x.csv"}}, "below `path`"),
        ({"stream": {"files": "/etc/passwd"}}, "below `path`"),
        ({"stream": {"files": []}}, "at least 1 item"),
        ({"stream": {"files": "rows"}}, "cannot be told from its name"),
        ({"stream": {"format": "csv", "tail": True}}, "for JSON lines"),
        ({"stream": {"format": "jsonl", "tail": True, "identity": "version"}}, "identity: content"),
        ({"stream": {"add": {"file": "_bief_file"}}}, "name of a column"),
        ({"stream": {"settle_seconds": -1}}, "greater than or equal to 0"),
        ({"stream": {"excel": {"header_row": 0}}}, "greater than or equal to 1"),
        ({"limits": {"max_ratio": 1}}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_fit_is_told(words, said):
    with pytest.raises(ValidationError) as caught:
        options(**words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        {"path": "/var/data"},
        {"path": "../outside"},
        {"path": "s3://bucket", "region": "eu-west-3"},
        {"path": "s3://bucket/a b", "endpoint": "http://127.0.0.1:9000", "access_key": "a", "secret_key": "b"},
        {"path": "https://example.com", "stream": {"files": ["a.csv", "b.csv.gz"]}, "headers": {"X": "y"}},
        {"stream": {"files": "rows", "format": "jsonl", "tail": True}},
        {"stream": {"files": "year.zip"}},
        {"stream": {"json": {"records": "data.items"}, "excel": {"sheet": 2}}},
        {"stream": {"excel": {"sheet": "2"}}},
    ],
)
def test_what_fits_is_taken(words):
    assert options(**words)


def test_secrets_are_not_shown():
    words = {"path": "https://example.com", "stream": {"files": "a.csv"}, "headers": {"Authorization": "Bearer token"}}
    assert "Bearer" not in repr(options(**words))
