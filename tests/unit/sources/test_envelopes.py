"""From a body to records: the declared shape, errors in disguise, wrong shapes, and pages with bad records."""

import json

import msgspec
import pytest

from bief.base.secrets import Redactor
from bief.errors import SourceMisread, SourceRefused
from bief.http.page_facts import ABSENT
from bief.http.places import Place
from bief.sources.rest.envelopes import Envelope

REDACTOR = Redactor()
REDACTOR.learn("s3cret-token")
PLACE = Place("api.items", "GET", "https://api.example.com/items", REDACTOR)


def opened(body, records="items", fields=(), error_when=None):
    return Envelope(records, fields, error_when).opened(body.encode() if isinstance(body, str) else body, PLACE)


def texts(found):
    return [bytes(record) for record in found.records]


def test_records_stay_raw():
    found = opened('{"items": [{"a": 1.10}, {"a": 2}], "x": 1}')

    assert texts(found) == [b'{"a": 1.10}', b'{"a": 2}']
    assert found.bad == ()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"data": {"rows": [{"a": 1}], "n": 1}}', "data.rows"),
        ('[{"a": 1}]', ""),
        ('{"a": 1}', ""),
        ('{"data": {"deep-key": {"r": [{"a": 1}]}}}', "data.deep-key.r"),
    ],
)
def test_record_paths(body, path):
    assert [json.loads(text) for text in texts(opened(body, path))] == [{"a": 1}]


def test_fields_beside_the_records():
    body = '{"items": [], "next": "abc", "meta": {"total": 7, "none": null}, "list": null}'
    found = opened(body, fields=("next", "meta.total", "meta.none", "meta.no", "list.no", "no"))

    assert dict(found.fields) == {
        "next": "abc",
        "meta.total": 7,
        "meta.none": None,
        "meta.no": ABSENT,
        "list.no": ABSENT,
        "no": ABSENT,
    }


def test_line_breaks_go():
    found = opened('{"items": [\r\n {\n  "a": "x\\ny"\n },\n {"b":\n1}\n]}')

    assert all(b"\n" not in text and b"\r" not in text for text in texts(found))
    assert [json.loads(text) for text in texts(found)] == [{"a": "x\ny"}, {"b": 1}]


@pytest.mark.parametrize(
    ("body", "path", "problem"),
    [
        ('{"rows": [], "n": 1}', "items", "no `items` in the answer: the answer has `rows`, `n`"),
        ('{"data": {"n": 1}}', "data.rows", "no `data.rows` in the answer: `data` has `n`"),
        ('{"items": null}', "items", "`items` is null where a list"),
        ('{"items": {"a": 1}}', "items", "`items` is an object where a list"),
        ('{"data": null}', "data.rows", "`data.rows` is null where a list"),
        ("[1, 2]", "items", "`items` is a list where"),
        ("3", "", "The answer is a number where a list"),
        ("null", "", "The answer is null where a list"),
        ("{}", "items", "the answer has no keys"),
    ],
)
def test_another_shape_is_misread(body, path, problem):
    with pytest.raises(SourceMisread, match=problem.replace("[", r"\[")):
        opened(body, path)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"error": {"code": 5, "message": "bad s3cret-token"}}', "items"),
        ('{"error": "bad s3cret-token", "items": null}', "items"),
        ('{"data": null, "errors": [{"message": "bad s3cret-token"}]}', "data.rows"),
        ('{"data": {"rows": []}, "errors": [{"message": "bad s3cret-token"}]}', "data.rows"),
        ('{"error": "bad s3cret-token"}', ""),
    ],
)
def test_an_error_with_status_200_is_an_error(body, path):
    with pytest.raises(SourceRefused, match=r"answered with an error.*bad \*\*\*") as raised:
        opened(body, path)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"items": [], "error": null}', "items"),
        ('{"items": [], "error": "old news"}', "items"),
        ('{"items": [], "errors": []}', "items"),
        ('{"errors": [{"id": 1}]}', "errors"),
        ('{"id": 1, "error": null}', ""),
    ],
)
def test_what_only_looks_like_an_error(body, path):
    opened(body, path)


def test_a_declared_error_predicate():
    assert opened('{"items": [], "status": {"failed": false}}', error_when="status.failed").records == []
    with pytest.raises(SourceRefused, match="true"):
        opened('{"items": [], "status": {"failed": true}}', error_when="status.failed")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"a": NaN}', "invalid character"),
        (b'{"a": -Infinity}', "invalid character"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": 01}', "invalid number"),
        (b'{"a": "\x01"}', "invalid character"),
        (b'{"a": "\xff"}', "byte 0xff at 7 is not UTF-8"),
        (b'{"a": 1,}', "trailing comma"),
        (b'{"a": "one\ntwo"}', "invalid character"),
        (b"", "truncated"),
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
    ],
)
def test_only_the_bad_record_is_lost(bad, reason):
    body = b'{"n": "[\\"]", "items": [\n{"a": "[,]"},' + bad + b',{"a": {"b": [1, 2]}}], "next": "x"}'
    found = opened(body, fields=("next",))

    assert [json.loads(text) for text in texts(found)] == [{"a": "[,]"}, {"a": {"b": [1, 2]}}]
    assert [(each.index, each.text) for each in found.bad] == [(1, bad.strip())]
    assert found.fields == {"next": "x"}
    assert reason in found.bad[0].reason


@pytest.mark.parametrize("path", ["", "data.rows"])
def test_bad_records_are_found_at_every_path(path):
    body = '[{"a": 1}, {"a": NaN}]' if not path else '{"data": {"other": [[]], "rows": [{"a": 1}, {"a": NaN}]}}'
    found = opened(body, path)

    assert texts(found) == [b'{"a": 1}']
    assert [each.index for each in found.bad] == [1]


@pytest.mark.parametrize(
    "body",
    [
        '{"items": [{"a": 1}, {"a": 2',
        '{"items": [{"a": 1}, {"a": "2',
        '{"items": [{"a": 1}]',
        '{"items": [{"a": [1}]}, {"a": NaN}]}',
        "<html><body>Please log in, s3cret-token \x1b[31m</body></html>",
        '{"items": [{"a": NaN}], "next": NaN}',
        "",
    ],
)
def test_a_body_that_is_not_json_is_misread_and_quoted(body):
    with pytest.raises(SourceMisread) as raised:
        opened(body)
    assert "not JSON" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_quote_has_two_hundred_characters():
    with pytest.raises(SourceMisread) as raised:
        opened("<p>" + "x" * 1000)
    assert 190 < str(raised.value).count("x") <= 200


def test_the_fast_way_is_taken_for_a_good_body(monkeypatch):
    envelope = Envelope("items", ("next",), None)
    monkeypatch.setattr(Envelope, "_opened_closer", lambda *_: pytest.fail("the slow way"))

    assert isinstance(envelope.opened(b'{"items": [{"a": 1}], "next": 1}', PLACE).records[0], msgspec.Raw)
