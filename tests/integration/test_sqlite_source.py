"""What a SQLite file gives as a source: every declared type and every odd value, keys, rounds, snapshots, errors."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from bief.batches.batch import ROW_NUMBER, Position
from bief.batches.schema import name_of
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.database.sqlite import SqliteSource
from bief.sources.database.sqlite_session import lowered_time


@pytest.fixture
def file(tmp_path):
    return tmp_path / "shop.db"


def execute(file, *statements):
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def source_of(file, streams, events=None, **options):
    runtime = Runtime(folder=file.parent, emit=(events if events is not None else []).append)
    words = {"path": file.name, "streams": streams, **options}
    return SqliteSource("shop", SqliteSource.Options.model_validate(words), runtime)


def table_of(file, stream="t", **options):
    batches = list(source_of(file, {stream: options}).read(stream, None))
    rows = pa.concat_tables([batch.rows for batch in batches], promote_options="default")
    return rows.drop_columns([ROW_NUMBER]), [each for batch in batches for each in batch.rejected]


# declared type, SQL of a value, name of the type it gets, the value
VALUES = [
    ("INTEGER", "9223372036854775807", "integer", 2**63 - 1),
    ("BIGINT UNSIGNED", "7", "integer", 7),
    ("TEXT", "'é''\"\\'", "text", "é'\"\\"),
    ("VARCHAR(5)", "123", "text", "123"),
    ("REAL", "1.5", "float", 1.5),
    ("DOUBLE", "9e999", "float", float("inf")),
    ("DECIMAL(12,2)", "1.5", "decimal(12,2)", Decimal("1.50")),
    ("NUMERIC(38, 0)", "'99999999999999999999'", None, None),
    ("BOOLEAN", "1", "boolean", True),
    ("BOOL", "'false'", "boolean", False),
    ("BLOB", "x'00ff'", "binary", b"\x00\xff"),
    ("DATE", "'2024-02-29'", "date", date(2024, 2, 29)),
    ("DATETIME", "'2024-02-29 01:02:03.000004'", "datetime", datetime.fromisoformat("2024-02-29T01:02:03.000004")),
    ("TIMESTAMP", "'2024-02-29T01:02:03+02:00'", "timestamp", datetime(2024, 2, 28, 23, 2, 3, tzinfo=UTC)),
    ("TIMESTAMP", "'2024-02-29T01:02:03Z'", "timestamp", datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)),
    ("TIMESTAMP", "1700000000", "integer", 1_700_000_000),
    ("DATE", "'01/02/2024'", "text", "01/02/2024"),
    ("JSON", """'{"a":  1.50}'""", "json", '{"a":  1.50}'),
    ("JSON", "'no json'", "text", "no json"),
    ("", "5", "integer", 5),
    ("", "1.5", "float", 1.5),
    ("", "'x'", "text", "x"),
    ("", "x'01'", "binary", b"\x01"),
    ("NUMERIC", "1.5", "float", 1.5),
    ("MONEY", "12", "integer", 12),
]


@pytest.mark.parametrize(("declared", "value", "named", "expected"), [each for each in VALUES if each[2]])
def test_every_type_has_its_place_and_every_value_is_exact(file, declared, value, named, expected):
    execute(
        file, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})", f"INSERT INTO t (v) VALUES ({value}), (NULL)"
    )
    rows, rejected = table_of(file)

    assert rejected == []
    assert name_of(rows.schema.field("v").type) == named
    assert rows.column("v").to_pylist() == [expected, None]


MISFITS = [
    ("INTEGER", "'abc'", "'abc' is not of type integer"),
    ("INTEGER", "1.5", "'1.5' is not of type integer"),
    ("REAL", "'abc'", "'abc' is not of type float"),
    ("DECIMAL(5,2)", "1.234", "'1.234' is not of type decimal(5,2)"),
    ("DECIMAL(5,2)", "'abc'", "'abc' is not of type decimal(5,2)"),
    ("BOOLEAN", "5", "'5' is not of type boolean"),
    ("DATE", "'2024-02-31'", "'2024-02-31' is not of type date"),
    ("DATETIME", "17", "'17' is not of type datetime"),
]
GOOD = {"DATE": "'2024-01-01'", "DATETIME": "'2024-01-01 00:00:00'"}


@pytest.mark.parametrize(("declared", "value", "reason"), MISFITS)
def test_99_a_value_of_another_kind_rejects_its_row(file, declared, value, reason):
    good = GOOD.get(declared, "1")
    execute(
        file,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
        f"INSERT INTO t (v) VALUES ({good}), ({value}), ({good})",
    )
    rows, (rejected,) = table_of(file)

    assert rows.column("id").to_pylist() == [1, 3]
    assert (rejected.rule, rejected.column, rejected.reason) == ("type", "v", reason)
    assert rejected.origin == "t, id 2"
    assert json.loads(rejected.raw)["id"] == 2


def test_numbers_of_two_kinds_in_a_column_without_a_type(file):
    execute(file, "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 1), (2.5, 0.5), (NULL, 9007199254740993)")
    rows, _ = table_of(file)
    assert rows.to_pydict() == {"a": [1.0, 2.5, None], "b": ["1", "0.5", "9007199254740993"]}


def test_a_column_without_values_and_without_a_type_is_none_yet(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT)", "INSERT INTO t (id) VALUES (1)")
    rows, _ = table_of(file)
    assert rows.schema.field("a").type == pa.null()
    assert rows.schema.field("b").type == pa.string()


KEYS = {
    "integer primary key": ("(id INTEGER PRIMARY KEY, v)", ["id"]),
    "text": ("(id TEXT NOT NULL PRIMARY KEY, v)", ["id"]),
    "two columns": ("(id INT NOT NULL, b TEXT NOT NULL, UNIQUE (b, id))", ["b", "id"]),
    "without rowid": ("(id TEXT, b INT, PRIMARY KEY (id, b)) WITHOUT ROWID", ["id", "b"]),
    "may be null": ("(id TEXT PRIMARY KEY, v)", []),
    "ordered another way": ("(id TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, v)", []),
    "descending": ("(id INTEGER NOT NULL PRIMARY KEY DESC, v)", ["id"]),
    "none": ("(id INTEGER, v)", []),
}


@pytest.mark.parametrize(("definition", "key"), KEYS.values(), ids=KEYS)
def test_a_read_goes_on_after_any_key_and_is_all_or_nothing_without(file, definition, key):
    second = definition.split(",")[1].split()[0]
    rows = [
        (number, number % 3) if "INT" in definition.split(",")[0] else (f"k{number:02}'", 1) for number in range(11)
    ]
    execute(file, f"CREATE TABLE t {definition}")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        second = {"(b": "b", "b": "b"}.get(second, "v")
        connection.executemany(f"INSERT INTO t (id, {second}) VALUES (?, ?)", rows)
    source = source_of(file, {"t": {"batch_rows": 3}})
    batches = list(source.read("t", None))

    whole = [value for batch in batches for value in batch.rows.column("id").to_pylist()]
    assert sorted(whole) == sorted(row[0] for row in rows)
    assert [batch.position is None for batch in batches[:-1]] == [not key] * 3
    for place, batch in enumerate(batches[:-1]):
        if batch.position is not None:
            assert batch.position.value["key"] == key
            position = Position(json.loads(json.dumps(dict(batch.position.value))), complete=False)
            rest = [value for each in source.read("t", position) for value in each.rows.column("id").to_pylist()]
            before = [value for each in batches[: place + 1] for value in each.rows.column("id").to_pylist()]
            assert before + rest == whole


def test_a_key_with_values_of_two_kinds_is_none(file):
    execute(file, "CREATE TABLE t (id INT NOT NULL PRIMARY KEY)", "INSERT INTO t VALUES (1), ('x')")
    rows, rejected = table_of(file)
    assert (rows.num_rows, len(rejected)) == (1, 1)
    assert rejected[0].origin == "t, row 2 of a batch"


def test_86_87_88_odd_names_are_only_names(file):
    table = 'select"; DROP TABLE x;--'
    columns = ["order", "a%s", "a:b", "a?", 'q"', "Größe"]
    names = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in columns)
    quoted = table.replace('"', '""')
    execute(
        file,
        "CREATE TABLE x (id)",
        f'CREATE TABLE "{quoted}" ({names})',
        f'INSERT INTO "{quoted}" VALUES (1,2,3,4,5,6)',
    )
    rows, _ = table_of(file, "odd", table=table)

    assert rows.to_pydict() == {name: [place] for place, name in enumerate(columns, start=1)}
    assert table_of(file, "x")[0].num_rows == 0


def test_94_views_generated_columns_and_queries_are_relations(file):
    execute(
        file,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, price DECIMAL(5,2), twice AS (price * 2), day DATE)",
        "INSERT INTO t (price, day) VALUES (1.5, '2024-01-02')",
        "CREATE VIEW v AS SELECT id, price, day FROM t",
    )
    assert table_of(file)[0].column("twice").to_pylist() == [3.0]
    for rows, _ in (table_of(file, "v"), table_of(file, "q", query="SELECT id, price, day FROM t -- comment")):
        assert rows.to_pylist() == [{"id": 1, "price": Decimal("1.50"), "day": date(2024, 1, 2)}]


def test_hidden_columns_are_hidden_by_the_database(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT)")
    execute(
        file,
        "INSERT INTO t VALUES (1, 'secret', 'secret', 'ada@x@example.com', '4111 1234'), (2, NULL, NULL, NULL, '1')",
    )
    columns = {"a": "drop", "b": {"hash": "sha256"}, "c": {"mask": "email"}, "d": {"mask": "last4"}}
    rows, _ = table_of(file, columns=columns)

    assert rows.to_pylist() == [
        {"id": 1, "b": hashlib.sha256(b"secret").hexdigest(), "c": "a***@example.com", "d": "****1234"},
        {"id": 2, "b": None, "c": None, "d": "****"},
    ]


# declared type, values of the first round, a value that comes later, one that comes late, one that comes too late
CURSORS = {
    "number": ("INTEGER", [1, 5000], {"lookback_numbers": 10}, 5001, 4990, 4989),
    "time": (
        "DATETIME",
        ["2024-01-01 00:00:00", "2024-01-02 00:00:00"],
        {},
        "2024-01-02 00:00:01",
        "2024-01-01 23:50:00",
        "2024-01-01 23:49:59",
    ),
    "text of a time": (
        "TEXT",
        ["2024-01-02T00:00:00Z"],
        {"lookback_seconds": 1},
        "2024-01-02T00:00:01Z",
        "2024-01-01T23:59:59Z",
        "2024-01-01T23:59:58Z",
    ),
    "no declared type": ("", [1, 5000], {"lookback_numbers": 0}, 5001, 5000, 4999),
    "real": ("REAL", [1.0, 90_000.5], {}, 90_001.5, 89_400.5, 89_400.25),
}


@pytest.mark.parametrize("case", CURSORS.values(), ids=CURSORS)
def test_a_round_brings_what_is_new_and_what_the_lookback_covers(file, case):
    declared, values, options, *following = case
    execute(file, f"CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared})")

    def insert(value):
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("INSERT INTO t (at) VALUES (?)", [value])

    for value in [*values, None]:
        insert(value)
    source = source_of(file, {"t": {"cursor": "at", **options}})
    first = list(source.read("t", None))
    for value in following:
        insert(value)
    since = Position(json.loads(json.dumps(dict(first[-1].position.value))), complete=True)
    second = list(source.read("t", since))

    count = len(values)
    assert sum(batch.rows.num_rows for batch in first) == count + 1
    found = [value for batch in second for value in batch.rows.column("id").to_pylist()]
    assert found == [count, count + 2, count + 3]
    assert second[-1].complete


@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("2024-01-01 00:00:05", "2023-12-31 23:59:55"),
        ("2024-01-01T00:00:05.120Z", "2023-12-31T23:59:55.120Z"),
        ("2024-01-01T00:00:05.123456+02:00", "2023-12-31T23:59:55.123456+02:00"),
        ("2024-01-01T00:05", "2024-01-01T00:04"),
        ("2024-01-01", "2023-12-31"),
        ("0800-01-01 00:00:15", "0800-01-01 00:00:05"),
        ("version 7", "version 7"),
    ],
)
def test_a_time_is_lowered_in_its_own_way_of_writing(text, lowered):
    assert lowered_time(text, 10) == lowered


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_read_sees_one_moment(file, journal):
    execute(file, f"PRAGMA journal_mode = {journal}", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(50_000)])
    batches = source_of(file, {"t": {"batch_rows": 20_000}}).read("t", None)
    rows = next(batches).rows.num_rows
    with contextlib.closing(sqlite3.connect(file, timeout=0.1)) as connection:
        if journal == "wal":
            connection.execute("DELETE FROM t")
            connection.commit()
        else:
            with pytest.raises(sqlite3.OperationalError, match="locked"), connection:
                connection.execute("DELETE FROM t")
    assert rows + sum(batch.rows.num_rows for batch in batches) == 50_000


def test_everything_is_asked_in_one_moment(file):
    execute(file, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with contextlib.closing(source_of(file, {"t": {}})._connect()) as session:
        session.begin()
        execute(file, "INSERT INTO t VALUES (1)")
        assert session._ask("SELECT count(*) FROM t") == [(0,)]
        with pytest.raises(SourceRefused, match="readonly"):
            session._ask("INSERT INTO t VALUES (2)")


def test_nothing_can_be_written(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    before = file.read_bytes()
    with pytest.raises(SourceRefused):
        table_of(file, "q", query="INSERT INTO t VALUES (1) RETURNING id")
    assert file.read_bytes() == before


def test_a_locked_file_is_tried_again_and_then_an_error(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    source = source_of(file, {"t": {}}, lock_timeout_seconds=0.05, max_attempts=2)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceUnavailable, match="locked"):
            list(source.read("t", None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "T"}, "there is no table or view T. There is t"),
        ({"schema": "other"}, "there is no table or view t in other"),
        ({"query": "SELECT absent FROM t"}, "no such column"),
        ({"query": "SELECT 1; SELECT 2"}, "syntax error"),
        ({"columns": {"x": "text"}}, "has no column x"),
        ({"cursor": "x"}, "has no column 'x'"),
    ],
)
def test_what_is_not_there_is_named(file, options, message):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with pytest.raises((SourceRefused, SourceMisread, SourceUnavailable), match=message):
        list(source_of(file, {"t": options}, max_attempts=1).read("t", None))


@pytest.mark.parametrize("content", [None, b"this is no database, and long enough to be read as one" * 20])
def test_a_wrong_file_is_an_error(file, content):
    if content:
        file.write_bytes(content)
    with pytest.raises(SourceRefused, match=r"shop\.db: (unable to open|file is not a database)"):
        source_of(file, {"t": {}}).check()


def test_text_that_is_not_utf8_is_an_error_that_says_what_to_do(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t (v) VALUES (CAST(x'ff' AS TEXT))")
    with pytest.raises(SourceRefused, match="CAST"):
        table_of(file)
    rows, _ = table_of(file, query="SELECT CAST(v AS BLOB) AS v FROM t")
    assert rows.column("v").to_pylist() == [b"\xff"]


def test_the_path_may_be_a_url(file):
    execute(file, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    options = SqliteSource.Options.model_validate({"path": f"sqlite:///{file}", "streams": {"t": {}}})
    SqliteSource("shop", options, Runtime(folder=file.parent / "elsewhere")).check()
