"""Functions as sources: what they may yield, what becomes of it, and what their errors say."""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar

import pyarrow as pa
import pytest

from bief.base.events import SourceSaid, SourceWarned
from bief.batches.batch import ROW_NUMBER, Position
from bief.batches.schema import JSON
from bief.errors import ProjectError, SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.python import PythonSource


@pytest.fixture
def heard():
    return []


@pytest.fixture
def make(tmp_path, heard):
    def made(code, streams=None, **more):
        file = tmp_path / "sources" / "mine.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(code), encoding="utf-8")
        words = {"file": "sources/mine.py", "streams": streams or {"rows": {}}, **more}
        runtime = Runtime(folder=tmp_path, emit=heard.append)
        for secret in words.get("secrets", {}).values():
            runtime.redactor.learn(secret)
        return PythonSource("mine", PythonSource.Options.model_validate(words), runtime)

    return made


def read(source, since=None, stream="rows"):
    batches = list(source.read(stream, since))
    tables = [batch.rows.drop_columns([ROW_NUMBER]) for batch in batches if batch.rows.num_rows]
    rows = pa.concat_tables(tables, promote_options="default").to_pylist() if tables else []
    return rows, batches


def through_json(position):
    return Position(json.loads(json.dumps(dict(position.value))), position.complete)


def test_dicts_and_lists_of_dicts_are_rows(make):
    source = make("def rows():\n    yield {'id': 1}\n    yield [{'id': 2}, {'id': 3}]\n    yield []\n")
    rows, batches = read(source)

    assert rows == [{"id": 1}, {"id": 2}, {"id": 3}]
    (batch,) = batches
    assert [batch.provenance.origin(number) for number in range(3)] == [
        "function rows, item 1",
        "function rows, item 2, row 1",
        "function rows, item 2, row 2",
    ]
    assert batch.complete
    assert not batch.typed


@pytest.mark.parametrize("returned", ["{'id': 1}", "[{'id': 1}]", "iter([{'id': 1}])", "({'id': n} for n in [1])"])
def test_what_is_returned_counts_as_yielded(make, returned):
    assert read(make(f"def rows():\n    return {returned}\n"))[0] == [{"id": 1}]


def test_objects_are_flattened_and_lists_are_json(make):
    source = make("def rows():\n    yield {'Id': 1, 'customer': {'name': 'x', 'tags': ['a', {'b': 1}]}}\n")
    (batch,) = source.read("rows", None)

    assert batch.rows.column_names == ["id", "customer__name", "customer__tags", ROW_NUMBER]
    assert batch.rows.schema.field("customer__tags").type == JSON
    assert batch.rows.column("customer__tags").to_pylist() == ['["a",{"b":1}]']


EXACT = """
import datetime, decimal, enum, fractions, uuid
zone = datetime.timezone(datetime.timedelta(hours=2))
class Colour(enum.Enum):
    RED = "red"
class Text(str): pass
class Number(int): pass
def rows():
    yield {
        "decimal": decimal.Decimal("12345678901234567.10"), "moment": datetime.datetime(2024, 5, 1, 12, 0, 0, 1, zone),
        "wall": datetime.datetime(2024, 5, 1, 12), "day": datetime.date(2024, 5, 1), "time": datetime.time(12, 30),
        "uuid": uuid.UUID(int=7), "bytes": b"\\x00\\xff", "large": 2**63, "inner": {"amount": decimal.Decimal("0.5")},
        "colour": Colour.RED, "text": Text("t"), "number": Number(7), "items": [decimal.Decimal("1.50"), b"x"],
    }
    yield {"decimal": decimal.Decimal("1E+3")}
"""


def test_values_of_python_types_stay_what_they_are(make):
    rows, _ = read(make(EXACT))

    assert rows[0] == {
        "decimal": Decimal("12345678901234567.10"),
        "moment": datetime(2024, 5, 1, 10, 0, 0, 1, UTC),
        "wall": datetime.fromisoformat("2024-05-01T12:00"),
        "day": date(2024, 5, 1),
        "time": "12:30:00",
        "uuid": "00000000-0000-0000-0000-000000000007",
        "bytes": b"\x00\xff",
        "large": Decimal(2**63),
        "inner__amount": Decimal("0.5"),
        "colour": "red",
        "text": "t",
        "number": 7,
        "items": '["1.50","eA=="]',
    }
    assert rows[1]["decimal"] == 1000


def test_a_column_of_texts_and_moments_stays_text(make):
    code = "import datetime\ndef rows():\n    yield {'a': datetime.date(2024, 1, 2), 'b': b'x'}\n"
    (batch,) = make(code + "    yield {'a': 'never', 'b': 'plain'}\n").read("rows", None)

    assert batch.rows.column("a").to_pylist() == ["2024-01-02", "never"]
    assert batch.rows.column("b").to_pylist() == ["eA==", "plain"]


def test_decimals_leave_room_for_those_of_later_batches(make):
    code = """
    from decimal import Decimal
    def rows():
        yield {"a": Decimal("1.5"), "b": Decimal("1.0000000001"), "c": Decimal("9" * 30), "d": Decimal("9" * 39)}
    """
    (batch,) = make(code).read("rows", None)
    assert [str(field.type) for field in batch.rows.schema][:4] == [
        "decimal128(29, 9)",
        "decimal128(38, 18)",
        "decimal128(38, 0)",
        "string",
    ]


BAD = [
    ("5", "not_an_object", "of type int", "5"),
    ("None", "not_an_object", "None", "null"),
    ("'text'", "not_an_object", "of type str", '"text"'),
    ("{'a': object(), 'id': 1}", "unserializable", "of type object", '{"id": 1}'),
    ("{('a', 'b'): 1, 'id': 1}", "unserializable", "a key is of type tuple", '{"id": 1}'),
    ("circular()", "unserializable", "holds itself", '{"id": 1}'),
    ("{'a': '\\ud800', 'id': 1}", "unserializable", "surrogate", '{"id": 1}'),
    ("{'a': float('nan'), 'id': 1}", "not_a_number", "NaN", '{"a": null, "id": 1}'),
    ("{'a': [1.0, {'b': float('-inf')}]}", "not_a_number", "NaN", '{"a": [1.0,{"b":null}]}'),
    ("{'a': decimal.Decimal('NaN'), 'id': 1}", "not_a_number", "NaN", '{"a": "NaN", "id": 1}'),
    ("{1: 'a', '1': 'b'}", "duplicate_key", "more than once", '{"1":"a","1":"b"}'),
]


@pytest.mark.parametrize(("item", "rule", "reason", "raw"), BAD)
def test_a_bad_item_is_rejected_with_its_place_and_a_reason(make, item, rule, reason, raw):
    circular = "import decimal\ndef circular():\n    row = {'id': 1}\n    row['a'] = row\n    return row\n"
    _, (batch,) = read(make(f"{circular}def rows():\n    yield {{'id': 0}}\n    yield {item}\n    yield {{'id': 2}}\n"))

    assert batch.rows.column("id").to_pylist() == [0, 2]
    (rejected,) = batch.rejected
    assert (rejected.origin, rejected.rule, rejected.raw) == ("function rows, item 2", rule, raw)
    assert reason in rejected.reason
    assert "object at 0x" not in rejected.reason + rejected.raw


def test_a_dict_may_be_changed_and_yielded_again(make):
    code = "def rows():\n    row = {}\n    for row['id'] in range(3):\n        yield row\n"
    assert read(make(code))[0] == [{"id": 0}, {"id": 1}, {"id": 2}]


TABLES = {
    "pyarrow table": "pa.table(DATA)",
    "record batch": "pa.record_batch(DATA)",
    "reader": "pa.table(DATA).to_reader()",
    "only an array": "OnlyArray()",
    "pandas": "pandas.DataFrame(DATA)",
    "polars": "polars.DataFrame(DATA)",
    "duckdb": "duckdb.from_arrow(pa.table(DATA))",
}
PREPARED = """
import duckdb, pandas, polars, pyarrow as pa
DATA = {"id": [1, 2, 3], "name": ["a", None, "c"]}
class OnlyArray:
    def __arrow_c_array__(self, requested_schema=None):
        return pa.record_batch(DATA).__arrow_c_array__(requested_schema)
"""


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("word", ["yield", "return"])
def test_every_kind_of_table_is_rows(make, table, word):
    rows, batches = read(make(f"{PREPARED}\ndef rows():\n    {word} {table}\n", {"rows": {"batch_rows": 2}}))

    assert rows == [{"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "c"}]
    assert [batch.rows.num_rows for batch in batches] == [2, 1]
    assert all(batch.typed for batch in batches)
    assert [batch.position is None for batch in batches] == [True, False]
    assert batches[1].provenance.origin(0) == "function rows, item 1, row 3"
    assert json.loads(batches[1].provenance.raw(0)) == {"id": 3, "name": "c"}


def test_an_empty_table_tells_its_columns(make):
    _, (batch,) = read(make("import pyarrow as pa\ndef rows():\n    return pa.schema([('a', 'int8')]).empty_table()\n"))
    assert batch.rows.schema.field("a").type == pa.int64()


def test_odd_arrow_types_become_types_of_tables(make):
    code = """
    import pyarrow as pa, uuid
    def rows():
        yield pa.table({
            "id": pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "big": pa.array([2**64 - 1], pa.uint64()),
            "list": [[1, 2]], "object": [{"a": 1}], "word": pa.array(["x"]).dictionary_encode(),
            "_bief_row": ["mine"], "json": pa.array(['{"a":1}'], pa.json_()), "nan": [float("nan")],
        })
    """
    (batch,) = make(code).read("rows", None)
    (row,) = batch.rows.to_pylist()
    assert row["id"] == "00000000-0000-0000-0000-000000000007"
    assert (row["big"], row["word"], row["source__bief_row"]) == (Decimal(2**64 - 1), "x", "mine")
    assert [batch.rows.schema.field(name).type for name in ("list", "object", "json")] == [JSON] * 3
    raw = json.loads(batch.provenance.raw(0))
    assert (raw["list"], raw["object"], raw["json"], raw["nan"]) == ([1, 2], {"a": 1}, {"a": 1}, "nan")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("pa.array([1, 2])", "cannot be read as an Arrow table"),
        ("pa.table([[1], [2]], names=['a', 'a'])", "more than one column is called 'a'"),
        ("pa.table({'a': pa.array([(1, 2, 3)], pa.month_day_nano_interval())})", "the column 'a' of type month_day"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(make, table, message):
    with pytest.raises(SourceMisread, match=message):
        read(make(f"import pyarrow as pa\ndef rows():\n    yield {table}\n"))


def test_a_function_gets_what_it_names(make):
    code = """
    def rows(since, *, options, secrets, stop, log, checkpoint=5, more=7):
        yield {"since": since, "options": options["a"], "secrets": secrets["b"], "stop": stop.is_set(),
               "log": log.name, "checkpoint": checkpoint, "more": more}
    """
    rows, _ = read(make(code, options={"a": 1}, secrets={"b": "hidden"}))
    assert rows == [{"options": 1, "secrets": "hidden", "stop": False, "log": "bief.mine.rows", "more": 7}]
    assert set(read(make("def rows(**all):\n    yield {name: 1 for name in all}\n"))[0][0]) == {
        *("since", "checkpoint", "options", "secrets", "stop", "log")
    }


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def rows(page):\n    yield {}", "nothing is known for the parameter 'page'"),
        ("def rows(since, /):\n    yield {}", "nothing is known for the parameter 'since'"),
        ("async def rows():\n    yield {}", "is async"),
        ("def other():\n    yield {}", "has no function 'rows'"),
        ("rows = 5", "has no function 'rows'"),
    ],
)
def test_check_finds_a_function_that_cannot_be_called(make, code, message):
    with pytest.raises(SourceMisread, match=message):
        make(code).check()


@pytest.mark.parametrize("returned", ["None", "5", "'text'"])
def test_a_function_that_gives_no_rows_is_an_error(make, returned):
    with pytest.raises(SourceMisread, match="and no rows"):
        read(make(f"def rows():\n    return {returned}\n"))


def test_an_error_of_the_function_names_its_line_and_the_log_has_the_traceback(make, heard):
    code = "import beside\ndef rows():\n    yield {'id': 1}\n    beside.fail('x')\n"
    source = make(code)
    beside = source._runtime.folder / "sources" / "beside.py"
    beside.write_text("def fail(text):\n    raise ValueError(f'no {text}')\n", encoding="utf-8")
    with pytest.raises(SourceRefused) as caught:
        read(source)

    assert caught.value.what == "sources/beside.py, line 2, in fail: ValueError: no x."
    assert caught.value.where == "source 'mine', stream 'rows'"
    assert "Traceback" not in str(caught.value)
    (said,) = [event for event in heard if isinstance(event, SourceSaid)]
    assert "line 4, in rows" in said.trace


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("raise ConnectionResetError('gone')", SourceUnavailable, "ConnectionResetError: gone"),
        ("raise SystemExit(3)", SourceRefused, "SystemExit: 3"),
        ("raise KeyError", SourceRefused, "KeyError: no message"),
        ("import not_installed_anywhere", SourceRefused, "ModuleNotFoundError"),
        ("def broken(:", ProjectError, "mine.py:1"),
    ],
)
def test_whatever_the_file_raises_is_an_error_of_the_source(make, line, kind, message):
    with pytest.raises(kind, match=message):
        make(line).check()


def test_modules_beside_the_file_can_be_imported_and_leave_no_trace(make):
    source = make("import neighbour_of_mine\ndef rows():\n    yield {'id': neighbour_of_mine.ID}\n")
    (source._runtime.folder / "sources" / "neighbour_of_mine.py").write_text("ID = 7\n", encoding="utf-8")
    before = list(sys.path)

    assert read(source)[0] == [{"id": 7}]
    assert sys.path == before
    assert "neighbour_of_mine" not in sys.modules


def test_the_file_is_not_run_when_the_project_is_loaded(make):
    source = make("raise RuntimeError('ran')\ndef rows(): ...\n")
    assert [stream.name for stream in source.streams()] == ["rows"]
    with pytest.raises(SourceRefused, match="ran"):
        source.check()


def test_printing_goes_to_stderr(make, capsys):
    read(make("print('loading')\ndef rows():\n    print('reading')\n    yield {'id': 1}\n"))
    sys.stdout.write("after\n")

    out, err = capsys.readouterr()
    assert out == "after\n"
    assert err == "loading\nreading\n"


def test_the_log_is_heard(make, heard):
    read(make("def rows(log):\n    log.info('page %s', 3)\n    log.warning('slow')\n    yield {'id': 1}\n"))
    assert [(type(event), event.message) for event in heard] == [(SourceSaid, "page 3"), (SourceWarned, "slow")]


class TestDecorator:
    CODE = """
    import bief
    @bief.source(primary_key="id", cursor="at", columns={"amount": "decimal(18,2)"})
    def orders():
        yield {"id": 1, "at": 1}
    @bief.source
    def customers(): ...
    def neither(): ...
    """

    def test_it_says_what_the_project_file_does_not(self, make, tmp_path):
        source = make(self.CODE, None)
        options = PythonSource.Options.model_validate({"file": "sources/mine.py"})
        orders, customers = PythonSource("mine", options, source._runtime).streams()

        assert (orders.name, orders.primary_key, orders.cursor, orders.incremental) == ("orders", ("id",), "at", True)
        assert orders.shape.columns["amount"].type == pa.decimal128(18, 2)
        assert (customers.name, customers.primary_key) == ("customers", ())

    def test_the_project_file_wins(self, make):
        streams = {"mine": {"function": "orders", "primary_key": ["a.b"], "columns": {"amount": "text", "x": "drop"}}}
        (stream,) = make(self.CODE, streams).streams()

        assert (stream.primary_key, stream.cursor) == (("a__b",), "at")
        assert stream.shape.columns["amount"].type == pa.string()
        assert stream.shape.columns["x"].drop

    @pytest.mark.parametrize(
        ("decorator", "message"),
        [
            ("@bief.source(primary_key=KEY)", "mine.py:2: the argument 'primary_key' of @bief.source is not a literal"),
            ("@bief.source(primary=1)", "mine.py:2: @bief.source has no argument 'primary'"),
            ("@bief.source(cursor=5)", "mine.py:3: @bief.source of rows: cursor"),
            ("@bief.source(columns={'a': 'money'})", "mine.py:3: @bief.source of rows: columns.a"),
        ],
    )
    def test_what_is_wrong_with_it_is_told_with_its_line(self, make, decorator, message):
        with pytest.raises(ProjectError, match=message):
            make(f"import bief\n{decorator}\ndef rows(): ...\n")

    def test_it_is_found_under_any_name(self, make):
        code = "from bief import source as stream\n@stream(primary_key='id')\ndef rows(): ...\n"
        assert make(code).streams()[0].primary_key == ("id",)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("../outside.py", "is outside of the project folder"),
        ("link.py", "is outside of the project folder"),
        ("sources", "does not end with"),
        ("missing.py", "there is no file"),
        ("folder.py", "there is no file"),
    ],
)
def test_a_wrong_file_is_found_when_the_project_is_loaded(tmp_path, file, message):
    folder = tmp_path / "project"
    (folder / "folder.py").mkdir(parents=True)
    (tmp_path / "outside.py").touch()
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises((ProjectError, ValueError), match=message):
        PythonSource("mine", PythonSource.Options.model_validate({"file": file}), Runtime(folder=folder))


def test_a_file_without_streams_is_an_error(make):
    source = make("def rows(): ...\n")
    with pytest.raises(ProjectError, match="declares no stream"):
        PythonSource("mine", PythonSource.Options.model_validate({"file": "sources/mine.py"}), source._runtime)


CURSORS = {
    "integer": ("[3, 10, 9]", 10),
    "float": ("[1.5, 2.25]", 2.25),
    "decimal": ("[Decimal('1.10'), Decimal('1.2')]", Decimal("1.2")),
    "date": ("[date(2024, 1, 2), date(2023, 1, 1)]", date(2024, 1, 2)),
    "wall time": ("[datetime(2024, 1, 2, 3)]", datetime.fromisoformat("2024-01-02T03:00")),
    "moment": ("[datetime(2024, 1, 2, 3, 0, 0, 7, UTC)]", datetime(2024, 1, 2, 3, 0, 0, 7, UTC)),
    "text of a moment": ("['2024-01-02T01:00:00+02:00', '2024-01-02T00:00:00Z']", "2024-01-02T00:00:00Z"),
    "text": ("['b', 'c', 'a']", "c"),
    "null among them": ("[None, 4, None]", 4),
    "future": ("['2024-01-02', '9999-01-01']", "2024-01-02"),
    "table": ("[pa.table({'at': [1, 5, 2]})]", 5),
}


class TestCursor:
    CODE = """
    import pyarrow as pa
    from datetime import UTC, date, datetime
    from decimal import Decimal
    seen = []
    def rows(since):
        seen.append(since)
        yield from [value if isinstance(value, pa.Table) else {{'at': value}} for value in {values}]
    """

    @pytest.mark.parametrize(("values", "greatest"), CURSORS.values(), ids=CURSORS)
    def test_the_next_round_is_told_the_greatest_value(self, make, values, greatest):
        source = make(self.CODE.format(values=values), {"rows": {"cursor": "at"}})
        _, batches = read(source)
        _, again = read(source, through_json(batches[-1].position))

        seen = source._code.module().seen
        assert seen == [None, greatest]
        assert type(seen[1]) is type(greatest)
        assert again[-1].position == batches[-1].position

    def test_an_empty_round_keeps_the_mark(self, make):
        source = make("def rows(since):\n    if since is None:\n        yield {'at': 4}\n", {"rows": {"cursor": "at"}})
        _, (batch,) = read(source)
        rows, (second,) = read(source, through_json(batch.position))

        assert rows == []
        assert second.position == batch.position

    @pytest.mark.parametrize(
        "values", ["[{'at': 1}, {'at': 'x'}]", "[{'at': [1]}]", "[{'at': True}]", "[{'at': '2024-01-01'}, {'at': 'x'}]"]
    )
    def test_values_without_an_order_are_an_error(self, make, values):
        streams = {"rows": {"cursor": "at", "batch_rows": 1}}
        with pytest.raises(SourceMisread, match="cannot be compared"):
            read(make(f"def rows():\n    yield from {values}\n", streams))

    def test_rows_without_it_are_counted(self, make, heard):
        read(make("def rows():\n    yield [{'a': 1}, {'a': 2, 'at': 1}]\n", {"rows": {"cursor": "at"}}))
        assert [event.message for event in heard] == ["1 rows have no usable value in the cursor 'at'."]


class TestCheckpoint:
    CODE = """
    import bief
    calls = []
    def rows(since, checkpoint):
        calls.append((since, checkpoint))
        for page in range(checkpoint["page"] if checkpoint else 0, 4):
            yield [{"id": page * 10 + n, "at": page} for n in range(3)]
            yield bief.Checkpoint({"page": page + 1})
    """
    STREAMS: ClassVar = {"rows": {"cursor": "at", "batch_rows": 3}}

    def test_a_read_goes_on_from_it(self, make):
        source = make(self.CODE, self.STREAMS)
        _, batches = read(source)

        assert [batch.complete for batch in batches] == [False] * 4 + [True]
        rows, _ = read(source, through_json(batches[1].position))
        assert [row["id"] for row in rows] == [20, 21, 22, 30, 31, 32]
        assert source._code.module().calls == [(None, None), (None, {"page": 2})]

    def test_a_new_round_is_not_told(self, make):
        source = make(self.CODE, self.STREAMS)
        _, batches = read(source)
        read(source, through_json(batches[-1].position))
        assert source._code.module().calls[-1] == (3, None)

    def test_small_pages_share_a_load(self, make):
        _, batches = read(make(self.CODE, {"rows": {"batch_rows": 12}}))
        assert [batch.rows.num_rows for batch in batches] == [6, 6, 0]

    def test_rows_beyond_a_checkpoint_wait_for_the_next_one(self, make):
        _, batches = read(make(self.CODE, {"rows": {"batch_rows": 2}}))
        assert [(batch.rows.num_rows, batch.position and dict(batch.position.value)) for batch in batches[:2]] == [
            (2, None),
            (1, {"checkpoint": {"page": 1}}),
        ]

    @pytest.mark.parametrize(
        ("value", "message"),
        [("{'a': object()}", "cannot be written as JSON"), ("{'token': secrets['b']}", "holds a secret")],
    )
    def test_what_cannot_be_kept_is_an_error(self, make, value, message):
        code = f"import bief\ndef rows(secrets):\n    yield bief.Checkpoint({value})\n"
        with pytest.raises(SourceMisread, match=message):
            read(make(code, secrets={"b": "hidden-token"}))


def test_without_a_checkpoint_a_read_is_all_or_nothing(make):
    _, batches = read(make("def rows():\n    yield [{'id': n} for n in range(5)]\n", {"rows": {"batch_rows": 2}}))
    assert [batch.position is None for batch in batches] == [True, True, False]


def test_a_function_that_stops_by_itself_is_not_complete(make):
    source = make("def rows(stop):\n    yield {'id': 1}\n    stop.set()\n")
    assert list(source.read("rows", None)) == []


def test_a_sample_does_no_more_work_than_it_needs(make):
    source = make("done = []\ndef rows():\n    for n in range(99):\n        done.append(n)\n        yield {'id': n}\n")
    assert source.sample("rows", 3).rows.column("id").to_pylist() == [0, 1, 2]
    assert source._code.module().done == [0, 1, 2]
