"""Bad CSV files, by the numbers of the catalogue of bad input: what each gets, and that nothing of it is silent."""

from __future__ import annotations

import codecs
import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from csv_files import chunks, content, lists, read, reader

from bief.base.names import column_names
from bief.batches.batch import ROW_NUMBER
from bief.batches.schema import BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, name_of
from bief.batches.shaping import ColumnRule, Shape, shape
from bief.errors import SourceChanged, SourceMisread
from bief.guard.contract import fit

DECIMAL = pa.decimal128(18, 2)


def misread(data, **how):
    """The error that the whole file gets, as the user sees it."""
    with pytest.raises(SourceMisread) as caught:
        read(data, **how)
    assert caught.value.where == "orders.csv"
    return str(caught.value)


def refused(data, **how):
    """The only rejected row."""
    (row,) = read(data, **how)[1]
    return row


def types(data, **how):
    return {field.name: name_of(field.type) for field in read(data, **how)[0].schema}


def misfits(data, declared):
    """What the contract rejects of a file, and what it lets pass, for declared types."""
    as_declared = Shape(columns={name: ColumnRule(type=arrow_type) for name, arrow_type in declared.items()})
    kept, reasons = [], []
    for chunk in chunks(data, declared=as_declared.reader_types()):
        fitted = fit(shape(chunk.rows, as_declared), None, as_declared, typed=True)
        kept += fitted.rows.to_pylist()
        reasons += [f"{chunk.provenance.origin(each.row_number)}: {each.reason}" for each in fitted.misfits]
    return kept, reasons


# The shape of a file.


@pytest.mark.parametrize("rows", ["2,b\n", "2,b\n" * 5000])
def test_case_01_a_quote_that_is_never_closed_fails_the_file(rows):
    message = misread(f'id,name\n1,a\n3,"open\n{rows}', block_bytes=1024)
    assert "opens on line 3 is never closed" in message
    assert "Close the quote" in message


def test_case_01_a_quote_that_is_never_closed_fails_the_file_although_it_is_too_long_to_be_held():
    assert "never closed" in misread('id,name\n3,"open\n' + "2,b\n" * 5000, block_bytes=512, max_field_bytes=512)


def test_case_02_a_row_with_fewer_columns_is_rejected():
    row = refused("id,name,city\n1,Ann,Rome\n2,Bob\n3,Cid,Oslo\n")
    assert (row.rule, row.origin) == ("too_few_fields", "orders.csv, line 3")
    assert row.reason == "the record has 2 fields, the header 3"
    assert json.loads(row.raw) == {"id": "2", "name": "Bob", "_missing": ["city"]}


def test_case_02_a_row_with_fewer_columns_is_padded_where_that_is_declared():
    found = lists("id,name,city\n1,Ann,Rome\n2,Bob\n3\n4,,x", short_rows="pad")
    assert found == {"id": [1, 2, 3, 4], "name": ["Ann", "Bob", None, None], "city": ["Rome", None, None, "x"]}


@pytest.mark.parametrize("short_rows", ["reject", "pad"])
def test_case_03_a_row_with_more_columns_is_rejected(short_rows):
    row = refused('id,name\n1,Ann\n2,Bob,x,"y, z",\n3,Cid\n', short_rows=short_rows)
    assert (row.rule, row.origin) == ("too_many_fields", "orders.csv, line 3")
    assert json.loads(row.raw) == {"id": "2", "name": "Bob", "_surplus": ["x", "y, z", None]}


def test_case_03_the_rows_around_a_rejected_one_are_all_there():
    data = "id,name\n" + "".join(f"{n},n{n}{',x' if n % 10 == 0 else ''}\n" for n in range(1000))
    rows, rejected = read(data, block_bytes=512)
    assert rows.column("id").to_pylist() == [n for n in range(1000) if n % 10]
    assert [row.origin for row in rejected] == [f"orders.csv, line {n + 2}" for n in range(0, 1000, 10)]


@pytest.mark.parametrize("data", [b"", codecs.BOM_UTF8, b"\n\r\n\n"])
def test_case_04_an_empty_file_fails_unless_it_is_allowed(data):
    assert "`allow_empty: true`" in misread(data)
    assert chunks(data, allow_empty=True) == []


@pytest.mark.parametrize("data", ["id,ordered_on\n", "id,ordered_on", "id,ordered_on\r\n\r\n"])
def test_case_05_a_header_alone_is_no_rows_and_keeps_the_schema(data):
    (chunk,) = chunks(data, declared={"ordered_on": DATE})
    assert chunk.rows.num_rows == 0
    assert chunk.rows.column_names == ["id", "ordered_on", ROW_NUMBER]
    assert chunk.rows.schema.field("ordered_on").type == DATE


# The header.


def test_case_06_a_name_twice_in_the_header_fails_the_file():
    assert "'id' more than once" in misread("id,name,id\n1,a,2\n")


def test_case_06_names_are_numbered_where_that_is_declared():
    assert lists("a,a,a_2,a\n1,2,3,4\n", dedupe_headers=True) == {"a": [1], "a_3": [2], "a_2": [3], "a_4": [4]}


def test_case_07_names_that_are_equal_in_a_database_stay_apart():
    rows, _ = read("ID,id,Id\n1,2,3\n")
    names = column_names(rows.column_names)
    assert rows.to_pydict() == {"ID": [1], "id": [2], "Id": [3]}
    assert len({name.casefold() for name in names}) == 3
    assert names == column_names(rows.column_names)


def test_case_08_a_column_without_a_name_gets_one_with_a_warning():
    warnings = []
    assert lists("id,, \n1,2,3\n", warnings=warnings) == {"id": [1], "column_2": [2], "column_3": [3]}
    assert "column_2, column_3" in warnings[0]


def test_case_09_long_names_that_begin_alike_stay_apart_in_the_table():
    first, second = "x" * 80 + "1", "x" * 80 + "2"
    rows, _ = read(f"{first},{second}\n1,2\n")
    names = column_names(rows.column_names)
    assert len(set(names)) == 2
    assert all(len(name) <= 63 for name in names)


def test_our_own_column_can_be_the_name_of_a_column():
    (chunk,) = chunks(f"{ROW_NUMBER}\n7\n")
    assert chunk.rows.to_pydict() == {"source__bief_row": [7], ROW_NUMBER: [0]}


# Bytes and lines.


def test_case_10_a_byte_order_mark_is_no_part_of_the_first_name():
    assert lists(codecs.BOM_UTF8 + b"id,name\n1,\xc3\xa9\n") == {"id": [1], "name": ["é"]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_case_11_utf_16_with_its_mark_is_read(encoding):
    text = "id,name\r\n1,été 🙂\r\n"
    data = text.encode(encoding) if encoding != "utf-16-be" else codecs.BOM_UTF16_BE + text.encode(encoding)
    assert lists(data, block_bytes=3) == {"id": [1], "name": ["été 🙂"]}


def test_case_11_utf_16_without_its_mark_is_read_if_declared_and_named_if_not():
    data = "id,name\n1,Zoé\n".encode("utf-16-le")
    assert lists(data, encoding="utf-16-le") == {"id": [1], "name": ["Zoé"]}
    assert "UTF-16" in misread(data)


def test_case_11_utf_16_that_is_cut_off_fails_the_file():
    assert "is not utf-16" in misread("id,name\n1,a\n".encode("utf-16")[:-1])


def test_case_12_a_byte_that_is_not_utf_8_rejects_its_row_and_shows_it():
    rows, (row,) = read(b"id,name\n1,Ann\n2,Zo\xe9\n3,Cid\n")
    assert rows.to_pydict() == {"id": [1, 3], "name": ["Ann", "Cid"]}
    assert (row.rule, row.origin, row.raw) == ("encoding", "orders.csv, line 3", "2,Zo\\xe9")
    assert "0xe9" in row.reason


def test_case_12_a_header_that_is_not_utf_8_fails_the_file():
    assert "0xe9" in misread(b"id,pr\xe9nom\n1,Zo\xe9\n")
    assert lists(b"id,pr\xe9nom\n1,Zo\xe9\n", encoding="cp1252") == {"id": [1], "prénom": ["Zoé"]}


def test_case_12_a_byte_that_means_nothing_in_a_declared_encoding_rejects_its_row():
    rows, (row,) = read(b"id,name\n1,\x80\n2,\x81\n", encoding="cp1252")
    assert rows.to_pydict() == {"id": [1], "name": ["€"]}
    assert (row.rule, row.origin) == ("encoding", "orders.csv, line 3")


def test_case_13_a_nul_character_rejects_its_row_unless_it_is_stripped():
    data = b"id,name\n1,a\x00b\n2,\x00\n3,c\n"
    rows, rejected = read(data)
    assert rows.to_pydict() == {"id": [3], "name": ["c"]}
    assert [(row.rule, row.origin) for row in rejected] == [
        ("nul_character", "orders.csv, line 2"),
        ("nul_character", "orders.csv, line 3"),
    ]
    assert json.loads(rejected[0].raw) == {"id": "1", "name": "a\x00b"}
    assert lists(data, nul="strip") == {"id": [1, 2, 3], "name": ["ab", None, "c"]}


@pytest.mark.parametrize("block_bytes", [1, 5, 4096])
def test_case_14_line_ends_of_all_kinds_end_lines(block_bytes):
    rows, (row,) = read(b"id,name\r1,a\r2,b\n3,c\r\n4,d\n\r5\r6,f", block_bytes=block_bytes)
    assert rows.to_pydict() == {"id": [1, 2, 3, 4, 6], "name": ["a", "b", "c", "d", "f"]}
    assert row.origin == "orders.csv, line 7"


@pytest.mark.parametrize("block_bytes", range(1, 40))
def test_case_15_a_line_end_in_quotes_is_text_wherever_the_file_is_cut(block_bytes):
    data = 'id,name\n1,"a\nb"\n2,"c\r\n""d"", e"\n3,f\n4,"\n"\n5\n'
    rows, (row,) = read(data, block_bytes=block_bytes)
    assert rows.to_pydict() == {"id": [1, 2, 3, 4], "name": ["a\nb", 'c\r\n"d", e', "f", "\n"]}
    assert row.origin == "orders.csv, line 9"


def test_case_16_a_long_field_is_read_and_one_that_is_too_long_is_rejected():
    fine, long = "x" * 1_000_000, "y" * 1_000_001
    rows, (row,) = read(f"id,name\n1,{fine}\n2,{long}\n3,z\n", max_field_bytes=1_000_000)
    assert rows.column("id").to_pylist() == [1, 3]
    assert (row.rule, row.origin, len(row.raw)) == ("field_too_long", "orders.csv, line 3", 65536)


def test_case_17_more_columns_than_a_table_holds_fail_the_file():
    header = ",".join(f"c{n}" for n in range(10_000))
    assert "10000 columns; `max_columns` is 1600" in misread(f"{header}\n")
    assert len(lists(f"{header}\n", max_columns=10_000)) == 10_000


def test_case_18_a_wrong_delimiter_fails_the_file_with_a_hint():
    message = misread("id;name\n1;a\n", delimiter=",")
    assert "2 with ';'" in message
    assert lists("id;name\n1;a\n") == {"id": [1], "name": ["a"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_case_18_the_delimiter_is_found(delimiter):
    data = 'id,name,price\n1,"x, y; z",2.5\n2,b,3.5\n'.replace(",", delimiter)
    assert lists(data)["price"] == [2.5, 3.5]


# Values.


def test_case_19_an_empty_text_and_no_value_are_two_things():
    assert lists('id,name\n1,\n2,""\n3,"x"\n') == {"id": [1, 2, 3], "name": [None, "", "x"]}


def test_case_19_they_stay_two_things_beside_a_row_that_is_rejected():
    assert lists('id,name\n1,\n2,""\n3,"x",\n4,5" tall\n')["name"] == [None, "", '5" tall']


def test_case_19_they_stay_two_things_in_a_record_that_is_written_again():
    found = lists('id,name,a,b\n1,5" tall,,""\n2,x,y,z\n')
    assert (found["name"], found["a"], found["b"]) == (['5" tall', "x"], [None, "y"], ["", "z"])


def test_case_19_a_column_without_values_is_read_from_a_file_of_one_column():
    assert lists('name\n\n""\nx\n\n') == {"name": [None, "", "x", None]}


def test_case_19_an_empty_text_is_no_number():
    assert lists('n\n1\n""\n') == {"n": ["1", ""]}
    assert lists('n\n1\n""\n', quoted_nulls=True) == {"n": [1, None]}


def test_case_20_words_for_nothing_are_text_unless_they_are_declared():
    data = 'id,a\n1,NULL\n2,\\N\n3,NA\n4,-\n5,"NULL"\n'
    assert lists(data)["a"] == ["NULL", "\\N", "NA", "-", "NULL"]
    assert lists(data, null_values=["NULL", "\\N"])["a"] == [None, None, "NA", "-", "NULL"]


def test_case_21_zeros_that_lead_stay():
    data = "zip,phone,n\n00123,+33612345678,0\n75011,0033612345678,-0\n"
    assert lists(data)["zip"] == ["00123", "75011"]
    assert types(data) == {"zip": "text", "phone": "text", "n": "integer"}


@pytest.mark.parametrize(
    "text", ["1e5", "1_000", "1,234.5", "1.234,5", "1 234", "NaN", "Infinity", "0x1F", " 5", "5.", ".5"]
)
def test_case_22_other_ways_to_write_a_number_are_text(text):
    assert lists(f'id,n\n1,"{text}"\n')["n"] == [text]


def test_case_22_other_ways_to_write_a_number_are_numbers_where_that_is_declared():
    data = "id;n;version\n1;1.234,50;1.2\n2;-12;1.10\n3;1.000.000;x\n"
    assert lists(data, decimal_mark=",", thousands_mark=".")["n"] == [1234.5, -12.0, 1_000_000.0]
    assert lists(data, decimal_mark=",", thousands_mark=".")["version"] == ["1.2", "1.10", "x"]
    assert lists(data)["n"] == ["1.234,50", "-12", "1.000.000"]


def test_case_22_a_number_with_the_marks_of_others_is_text():
    assert lists("n;m\n1.2;1,5\n1.10;1.5\n", decimal_mark=",", thousands_mark=".") == {
        "n": ["1.2", "1.10"],
        "m": ["1,5", "1.5"],
    }


def test_case_22_a_declared_decimal_is_read_in_those_marks_and_what_is_none_is_rejected():
    money = Shape(columns={"n": ColumnRule(type=DECIMAL)}).reader_types()
    rows, (row,) = read("id;n\n1;1.234,50\n2;12.5\n3;7\n", declared=money, decimal_mark=",", thousands_mark=".")
    assert rows.column("n").to_pylist() == [Decimal("1234.50"), Decimal(7)]
    assert (row.rule, row.column, row.origin) == ("type", "n", "orders.csv, line 3")
    assert row.reason == "'12.5' is not a decimal(18,2)"


def test_case_23_an_integer_beyond_64_bits_is_an_exact_decimal():
    data = "n\n1\n-9223372036854775809\n99999999999999999999999999999999999999\n"
    assert types(data) == {"n": "decimal(38,0)"}
    assert lists(data)["n"] == [Decimal(1), Decimal(-9223372036854775809), Decimal("9" * 38)]
    assert types("n\n1\n" + "9" * 39 + "\n") == {"n": "text"}


@pytest.mark.parametrize("text", ["31/02/2024", "0000-00-00", "2024-02-30", "10000-01-01", "2023-02-29"])
def test_case_24_a_date_that_does_not_exist_rejects_its_row(text):
    kept, reasons = misfits(f"id,d\n1,2024-02-29\n2,{text}\n", {"d": DATE})
    assert kept == [{"id": 1, "d": date(2024, 2, 29)}]
    assert reasons == [f"orders.csv, line 3: '{text}' is not a date"]


@pytest.mark.parametrize("text", ["2024-01-31 24:00:00", "2016-12-31 23:59:60", "2024-01-31", "2024-01-31 10"])
def test_case_24_a_time_that_does_not_exist_rejects_its_row(text):
    kept, reasons = misfits(f"id,t\n1,2024-01-31 10:00\n2,{text}\n", {"t": DATETIME})
    assert [row["id"] for row in kept] == [1]
    assert reasons == [f"orders.csv, line 3: '{text}' is not a datetime"]


def test_case_24_without_a_declaration_such_a_column_is_text_and_nothing_is_lost():
    assert lists("d\n2024-01-31\n0000-00-00\n") == {"d": ["2024-01-31", "0000-00-00"]}


def test_case_25_a_date_that_could_be_two_is_text_unless_its_format_is_declared():
    data = "id,d\n1,01/02/2024\n2,31/12/2024\n3,1/3/2024\n4,\n5,31/02/2024\n6,2024-01-31\n"
    assert lists(data)["d"][0] == "01/02/2024"
    rows, rejected = read(data, formats={"d": "%d/%m/%Y"})
    assert rows.column("d").to_pylist() == [date(2024, 2, 1), date(2024, 12, 31), date(2024, 3, 1), None]
    assert [row.origin for row in rejected] == ["orders.csv, line 6", "orders.csv, line 7"]
    assert rejected[0].reason == "'31/02/2024' is not a date written as %d/%m/%Y"
    assert json.loads(rejected[0].raw) == {"id": "5", "d": "31/02/2024"}


def test_case_26_a_column_that_becomes_text_at_row_900001_is_text_as_a_whole():
    data = b"id,code\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(900_000)) + b"900000,A1\n900001,7\n"
    one = reader(block_bytes=2**20)
    given = 0
    with pytest.raises(SourceChanged):  # noqa: PT012 - what was given before counts
        for chunk in one.chunks(content(data)):
            given += chunk.rows.num_rows
    found = list(one.chunks(content(data)))
    assert given > 0
    assert {chunk.rows.schema.field("code").type for chunk in found} == {TEXT}
    assert sum(chunk.rows.num_rows for chunk in found) == 900_002
    assert found[-1].rows.column("code").to_pylist()[-2:] == ["A1", "7"]


def test_case_39_the_text_of_a_formula_is_loaded_unchanged():
    formula = "=cmd|' /C calc'!A0"
    assert lists(f"id,name\n1,{formula}\n2,@SUM(1)\n3,+1\n4,-x\n")["name"] == [formula, "@SUM(1)", "+1", "-x"]


@pytest.mark.parametrize("name", ["a\nb.csv", "'; DROP TABLE x;--.csv", "-rf.csv", "日本 🙂.csv", "x" * 251 + ".csv"])
def test_case_41_any_name_of_a_file_is_only_a_name(name):
    (chunk,) = reader().chunks(content(b"id,name\n1,a\n2\n", name))
    assert chunk.rows.column("id").to_pylist() == [1]
    assert chunk.rejected[0].origin == f"{name}, line 3"


# Beyond the catalogue.


def test_lines_before_the_header_are_left_out_with_a_warning():
    warnings = []
    data = "Orders of May\n\nid,name\n1,a\n2\n"
    rows, (row,) = read(data, warnings=warnings)
    assert rows.to_pydict() == {"id": [1], "name": ["a"]}
    assert row.origin == "orders.csv, line 5"
    assert "'Orders of May'" in warnings[0]
    assert "`skip_lines: 2`" in warnings[0]
    assert lists(data, skip_lines=2) == {"id": [1], "name": ["a"]}


def test_a_file_without_a_header_has_numbered_columns_or_those_of_the_list():
    assert lists("1,a\n2,b\n", header=False) == {"column_1": [1, 2], "column_2": ["a", "b"]}
    assert lists("1,a\n2,b\n", header=["id", "name"]) == {"id": [1, 2], "name": ["a", "b"]}


def test_text_after_a_closing_quote_rejects_its_record_and_no_other():
    rows, rejected = read('id,name\n1,"a"b\n2,"c\nd"e,"f"\n3,g\n')
    assert rows.to_pydict() == {"id": [3], "name": ["g"]}
    assert [(row.rule, row.origin, row.raw) for row in rejected] == [
        ("quote", "orders.csv, line 2", '1,"a"b'),
        ("quote", "orders.csv, line 3", '2,"c\nd"e,"f"'),
    ]


def test_text_after_a_closing_quote_far_away_fails_the_file():
    assert "nobody can tell" in misread('id,name\n1,"a\n' + "2,b\n" * 20_000 + '3,"c"d\n')


def test_escapes_and_comments_are_read_where_they_are_declared():
    data = '# made by hand\nid,name\n1,a\\,b\n# not, me, "too\n2,"c\\"d"\n'
    assert lists(data, escape="\\", comment="#") == {"id": [1, 2], "name": ["a,b", 'c"d']}


@pytest.mark.parametrize("block_bytes", [5, 4096])
def test_comments_alone_are_no_rows_and_count_as_lines(block_bytes):
    rows, (row,) = read("id,name\n#1,x\n2,b\n# it's, 5\" long\n3\n", comment="#", block_bytes=block_bytes)
    assert rows.to_pydict() == {"id": [2], "name": ["b"]}
    assert row.origin == "orders.csv, line 5"


def test_declared_json_is_json_and_what_is_none_is_rejected():
    rows, (row,) = read('id,tags\n1,"[1, 2]"\n2,{broken\n3,\n', declared={"tags": JSON})
    assert rows.column("tags").to_pylist() == ["[1, 2]", None]
    assert (row.rule, row.column, row.reason) == ("type", "tags", "'{broken' is not JSON")


def test_declared_types_are_read_exactly():
    found = lists("a,b,c\n1.10,true,1\n2.20,FALSE,2.5\n", declared={"a": DECIMAL, "b": BOOLEAN, "c": FLOAT})
    assert found == {"a": [Decimal("1.10"), Decimal("2.20")], "b": [True, False], "c": [1.0, 2.5]}
    kept, reasons = misfits("a,n\n1.105,1\n2,007\n3.5,9\n", {"a": DECIMAL, "n": INTEGER})
    assert [row["n"] for row in kept] == [9]
    assert reasons == [
        "orders.csv, line 2: '1.105' is not a decimal(18,2)",
        "orders.csv, line 3: '007' is not an integer",
    ]
