"""JSON records to rows: every odd record has its outcome, and good ones are read the same in both ways."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from bief.batches import rows as rows_module
from bief.batches.batch import ROW_NUMBER
from bief.batches.rows import RecordReader
from bief.batches.schema import BOOLEAN, FLOAT, INTEGER, JSON, TEXT


def origin(index):
    return f"record {index + 1}"


def read(*records, declared=None, reader=None):
    texts = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    return (reader or RecordReader(declared)).read(texts, origin)


def columns_of(outcome):
    return {name: outcome.rows.column(name).to_pylist() for name in outcome.rows.column_names if name != ROW_NUMBER}


def type_of(outcome, name):
    return outcome.rows.schema.field(name).type


@pytest.fixture
def no_strict_way(monkeypatch):
    """The native way must do it alone."""

    def refuse(*_):
        raise AssertionError("the strict way was taken")

    monkeypatch.setattr(rows_module.strict, "read", refuse)


def test_objects_become_columns_and_lists_keep_their_text(no_strict_way):
    outcome = read(
        b'{"id": 1, "customer": {"id": 7, "Zip Code": "75002"}, "tags": [{"y": 1},  {"x": null}], "ok": true,'
        b' "x": 1.5}',
        b'{"id": 2, "customer": null, "tags": null}',
    )
    assert columns_of(outcome) == {
        "id": [1, 2],
        "customer__id": [7, None],
        "customer__zip_code": ["75002", None],
        "tags": ['[{"y": 1},  {"x": null}]', None],
        "ok": [True, None],
        "x": [1.5, None],
    }
    assert outcome.rows.schema.types == [INTEGER, INTEGER, TEXT, JSON, BOOLEAN, FLOAT, INTEGER]
    assert outcome.rejected == ()


def test_dates_and_moments_stay_text_also_in_later_batches(no_strict_way):
    reader = RecordReader()
    for day in ("2024-01-01", "2024-01-01T10:00:00Z", "10/01/2024"):
        outcome = read({"at": day, "deep": {"er": {"at": day}}}, reader=reader)
        assert columns_of(outcome) == {"at": [day], "deep__er__at": [day]}


def test_a_column_without_values_is_left_out_until_one_comes():
    reader = RecordReader()
    assert columns_of(read({"a": None, "b": {"c": None}, "d": {}, "e": 1}, reader=reader)) == {"e": [1]}
    assert columns_of(read({"a": 5, "b": {"c": "x"}, "d": {"f": True}, "e": 1}, reader=reader)) == {
        "e": [1],
        "a": [5],
        "b__c": ["x"],
        "d__f": [True],
    }


def test_a_declared_column_without_values_is_there():
    outcome = read({"a": None, "b": 1}, declared={"a": pa.decimal128(18, 2)})
    assert columns_of(outcome) == {"b": [1], "a": [None]}
    assert type_of(outcome, "a") == pa.decimal128(18, 2)


def test_a_declared_column_without_values_takes_no_other_ones_place():
    assert columns_of(read({"id": 1, "ID": None}, declared={"id": INTEGER})) == {"id": [1]}


@pytest.mark.parametrize("records", [[], [{}], [{}, {}]])
def test_records_without_members_are_rows_all_the_same(records):
    assert read(*records).rows.column(ROW_NUMBER).to_pylist() == list(range(len(records)))


def test_records_may_be_raw_pieces_of_an_envelope():
    pieces = msgspec.json.decode(b'{"items": [ {"a": 1} , {"a": 2}]}', type=dict[str, list[msgspec.Raw]])["items"]
    assert columns_of(RecordReader().read(pieces, origin)) == {"a": [1, 2]}


def test_declared_decimals_are_exact_from_the_text(no_strict_way):
    outcome = read(
        b'{"a": 0.1, "b": "12.30", "c": 5}',
        b'{"a": 9007199254740993.01, "b": null, "c": 6}',
        declared=dict.fromkeys("abc", pa.decimal128(18, 2)),
    )
    assert columns_of(outcome)["a"] == [Decimal("0.10"), Decimal("9007199254740993.01")]
    assert columns_of(outcome)["b"] == [Decimal("12.30"), None]
    assert columns_of(outcome)["c"] == [Decimal("5.00"), Decimal("6.00")]


def test_a_declared_decimal_that_does_not_fit_stays_text_for_the_contract(no_strict_way):
    reader = RecordReader({"a": pa.decimal128(18, 2)})
    assert columns_of(read(b'{"a": 1.50}', b'{"a": 2.555}', reader=reader)) == {"a": ["1.50", "2.555"]}
    assert columns_of(read(b'{"a": 1.50}', reader=reader)) == {"a": [Decimal("1.50")]}


def test_declared_text_keeps_the_digits_and_declared_json_the_object(no_strict_way):
    records = [b'{"a": 1.50, "b": {"x":  1.50}}', b'{"a": 2, "b": {}}']
    assert columns_of(read(*records, declared={"a": TEXT, "b": JSON})) == {
        "a": ["1.50", "2"],
        "b": ['{"x":  1.50}', "{}"],
    }
    assert columns_of(read(*records, declared={"b": TEXT}))["b"] == ['{"x":  1.50}', "{}"]


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_44_nan_is_not_json(word):
    outcome = read(b'{"a": 1.0}', b'{"a": ' + word + b"}", b'{"a": [' + word + b"]}")
    assert columns_of(outcome) == {"a": [1.0]}
    assert [row.rule for row in outcome.rejected] == ["invalid_json"] * 2
    assert outcome.rejected[0].reason == f"{word.decode()} is not JSON"


@pytest.mark.parametrize(
    "record", [b'{"a": 1, "a": 2}', b'{"b": {"a": 1, "\\u0061": 2}}', b'{"a": [{"b": 1, "b": 1}]}']
)
def test_45_duplicate_keys_are_rejected(record):
    outcome = read(b'{"a": [], "ok": 1}', record)
    assert outcome.rows.num_rows == 1
    assert [(row.rule, row.origin, row.raw) for row in outcome.rejected] == [
        ("duplicate_key", "record 2", record.decode())
    ]


def test_46_large_numbers_stay_exact():
    assert columns_of(read(b'{"a": 9007199254740993.0}'))["a"] == [Decimal("9007199254740993.0")]
    assert columns_of(read(b'{"a": 9007199254740993}', b'{"a": 0.5}'))["a"] == [
        Decimal(9007199254740993),
        Decimal("0.5"),
    ]
    assert columns_of(read(b'{"a": 9007199254740993}'))["a"] == [9007199254740993]


def test_46_large_numbers_that_floats_hold_are_floats():
    outcome = read(b'{"a": 1e300}', b'{"a": 0.1}', b'{"a": 9007199254740992}')
    assert type_of(outcome, "a") == FLOAT
    assert columns_of(outcome)["a"] == [1e300, 0.1, 9007199254740992.0]


def test_23_integers_beyond_64_bits_become_decimals_and_beyond_38_digits_text():
    assert columns_of(read(b'{"a": 9223372036854775807}'))["a"] == [2**63 - 1]
    outcome = read(b'{"a": 9223372036854775808}', b'{"a": 1}')
    assert type_of(outcome, "a") == pa.decimal128(38, 0)
    assert columns_of(outcome)["a"] == [Decimal(2**63), Decimal(1)]
    assert columns_of(read(b'{"a": 1' + b"0" * 38 + b"}", b'{"a": 1}'))["a"] == ["1" + "0" * 38, "1"]


def test_a_fraction_of_too_many_digits_beside_a_large_number_becomes_text():
    small, large = b"0." + b"1" * 30, b"12345678901234567890"
    assert columns_of(read(b'{"a": ' + small + b"}", b'{"a": ' + large + b"}"))["a"] == [small.decode(), large.decode()]


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 5000, b"9" * 5000 + b".5", b"[1e400]"])
def test_47_48_numbers_that_nothing_can_hold_are_rejected(number):
    outcome = read(b'{"a": ' + number + b"}", b'{"b": 1}')
    assert columns_of(outcome) == {"b": [1]}
    assert [row.rule for row in outcome.rejected] == ["invalid_json"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_49_a_record_nested_too_deeply_is_rejected_without_a_crash(opening):
    closing = b"]" if opening == b"[" else b"}"
    deep = opening * 100_000 + b"1" + closing * 100_000
    outcome = read(b'{"a": ' + deep + b"}", b'{"b": 1}')
    assert columns_of(outcome) == {"b": [1]}
    assert [(row.rule, row.reason) for row in outcome.rejected] == [("invalid_json", "the record is nested too deeply")]
    assert len(outcome.rejected[0].raw) == 64 * 1024


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\uDC00x"', b'["\\ud800"]', b'{"\\ud800": 1}'])
def test_50_half_a_surrogate_pair_is_rejected(text):
    outcome = read(b'{"a": ' + text + b"}", b'{"b": "\\ud83d\\ude00"}')
    assert columns_of(outcome) == {"b": ["😀"]}
    assert [row.rule for row in outcome.rejected] == ["invalid_json"]


def test_51_a_nul_character_is_read_and_left_to_the_contract(no_strict_way):
    assert columns_of(read(b'{"a": "x\\u0000y"}')) == {"a": ["x\x00y"]}


@pytest.mark.parametrize("record", [b'{"a": "\xff"}', b'{"\xff": "x"}', b'{"a": "x", "b": ["\xff"]}'])
def test_12_invalid_utf8_is_seen_wherever_it_is(record):
    outcome = read(b'{"a": "y", "b": ["z"]}', record)
    assert [(row.rule, row.origin) for row in outcome.rejected] == [("invalid_json", "record 2")]


def test_12_invalid_utf8_is_rejected_with_its_bytes_in_sight():
    outcome = read(b'{"a": "\xff"}', b'{"a": ["\xc3"]}', '{"a": "é"}'.encode())
    assert columns_of(outcome) == {"a": ["é"]}
    assert [(row.rule, row.raw) for row in outcome.rejected] == [
        ("invalid_json", '{"a": "\\xff"}'),
        ("invalid_json", '{"a": ["\\xc3"]}'),
    ]


def test_52_keys_of_any_kind_become_columns_of_their_own():
    record = {"a.b": 1, 'say "x"': 2, "😀": 3, "": 4, "k" * 500: 5, "ID": 6, "id": 7, "a": {"b": 8}, "a__b": [9]}
    outcome = read(record)
    assert len(columns_of(outcome)) == len(record)
    assert columns_of(outcome)["id"] == [7]
    assert sorted(map(str, columns_of(outcome).values())) == sorted([*(f"[{n}]" for n in range(1, 9)), "['[9]']"])


def test_52_a_key_keeps_its_column_in_later_batches():
    reader = RecordReader()
    assert columns_of(read({"ID": 1}, reader=reader)) == {"id": [1]}
    later = columns_of(read({"id": 2, "ID": 3}, reader=reader))
    assert later["id"] == [3]
    assert len(later) == 2


def test_53_keys_of_bief_get_another_name():
    record = {"__proto__": 1, "_bief_row": 2, "_loaded_at": 3, "valid_to": 4}
    assert columns_of(read(record)) == {
        "__proto__": [1],
        "source__bief_row": [2],
        "source__loaded_at": [3],
        "source_valid_to": [4],
    }
    assert read(record).rows.column(ROW_NUMBER).to_pylist() == [0]


@pytest.mark.parametrize("record", [b"[1]", b'"x"', b"null", b"5", b"true", b'[{"a": 1}]'])
def test_54_a_record_that_is_no_object_is_rejected(record):
    outcome = read(b'{"a": 1}', record)
    assert outcome.rows.num_rows == 1
    assert [(row.rule, row.raw) for row in outcome.rejected] == [("not_an_object", record.decode())]


@pytest.mark.parametrize(
    "record", [b"", b"{", b'{"a": 1}{"a": 2}', b'{"a": 1},', b"{'a': 1}", b'{"a": 01}', b'{"a": "\n"}', b'{"a": }']
)
def test_a_text_that_is_not_one_json_value_is_rejected(record):
    outcome = read(b'{"a": 1}', record, b'{"a": 3}')
    assert columns_of(outcome) == {"a": [1, 3]}
    assert outcome.rows.column(ROW_NUMBER).to_pylist() == [0, 2]
    assert [row.rule for row in outcome.rejected] == ["invalid_json"]


def test_63_a_record_above_the_limit_is_rejected():
    reader = RecordReader(max_record_bytes=100)
    outcome = read({"a": "x" * 200}, {"a": "y"}, reader=reader)
    assert columns_of(outcome) == {"a": ["y"]}
    assert [row.rule for row in outcome.rejected] == ["too_large"]


def test_64_mixed_kinds_are_kept_and_objects_keep_their_columns():
    outcome = read(b'{"a": 1}', b'{"a": [1,  2]}', b'{"a": {"b": 1}}', b'{"a": "q\\"\xc3\xa9"}', b'{"a": null}')
    assert columns_of(outcome) == {"a": ["1", "[1,  2]", None, '"q\\"é"', None], "a__b": [None, None, 1, None, None]}
    assert type_of(outcome, "a") == JSON


def test_64_mixed_scalars_are_text_of_their_json_text():
    outcome = read(b'{"a": 1.50}', b'{"a": "x"}', b'{"a": true}')
    assert columns_of(outcome) == {"a": ["1.50", "x", "true"]}


def test_65_a_byte_order_mark_is_not_part_of_the_record():
    assert columns_of(read(b'\xef\xbb\xbf{"a": [1], "b": "x"}')) == {"a": ["[1]"], "b": ["x"]}


def test_an_object_that_becomes_a_list_in_a_later_batch_is_read():
    reader = RecordReader()
    assert columns_of(read({"a": {"b": [1]}}, reader=reader)) == {"a__b": ["[1]"]}
    assert columns_of(read({"a": [2]}, reader=reader)) == {"a": ["[2]"]}
    assert columns_of(read({"a": {"b": "2024-01-01"}}, reader=reader)) == {"a__b": ["2024-01-01"]}
    assert columns_of(read({"a": {"b": 5}}, reader=reader)) == {"a__b": [5]}


def test_records_of_many_lines_and_more_than_a_block_are_read(no_strict_way):
    records = [
        json.dumps({"id": number, "text": "x" * 3000, "list": [number]}, indent=2).encode() for number in range(3000)
    ]
    reader = RecordReader()
    for _ in range(2):
        outcome = reader.read(records, origin)
        assert columns_of(outcome)["id"] == list(range(3000))
        assert columns_of(outcome)["list"][2999] == "[\n    2999\n  ]"
