"""What MariaDB (and MySQL, by the same protocol) gives as a source: types, odd names, rounds, snapshots, errors."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import mariadb_server
import pyarrow as pa
import pytest
from mariadb_server import execute
from pydantic import ValidationError

from bief.base.events import StreamSized
from bief.batches.batch import ROW_NUMBER, Position
from bief.batches.schema import name_of
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.database.mysql import MysqlSource
from bief.sources.database.mysql_types import literal


@pytest.fixture(scope="module")
def server():
    return mariadb_server.server_url()


@pytest.fixture
def url(server):
    with mariadb_server.fresh_database(server) as made:
        yield made


def source_of(url, streams, events=None, **options):
    runtime = Runtime(folder=Path(), emit=(events if events is not None else []).append)
    return MysqlSource("shop", MysqlSource.Options.model_validate({"url": url, "streams": streams, **options}), runtime)


def table_of(url, stream="t", *, server_options=None, **options):
    batches = list(source_of(url, {stream: options}, **(server_options or {})).read(stream, None))
    rows = pa.concat_tables([batch.rows for batch in batches], promote_options="default")
    return rows.drop_columns([ROW_NUMBER]), [each for batch in batches for each in batch.rejected]


# type, SQL of a value, name of the type it gets, the value
VALUES = [
    ("tinyint", "-128", "integer", -128),
    ("tinyint(1)", "1", "boolean", True),
    ("tinyint(4) unsigned zerofill", "7", "integer", 7),
    ("mediumint", "-8388608", "integer", -8388608),
    ("int unsigned", "4294967295", "integer", 2**32 - 1),
    ("bigint", "-9223372036854775808", "integer", -(2**63)),
    ("bigint unsigned", "18446744073709551615", "decimal(20,0)", Decimal(2**64 - 1)),
    ("decimal(12,2)", "1.5", "decimal(12,2)", Decimal("1.50")),
    ("decimal(12,2) unsigned", "9999999999.99", "decimal(12,2)", Decimal("9999999999.99")),
    ("decimal(38,0)", "-99999999999999999999999999999999999999", "decimal(38,0)", Decimal("-" + "9" * 38)),
    ("decimal(65,30)", "1.5", "text", "1.500000000000000000000000000000"),
    ("float", "0.1", "float", 0.10000000149011612),
    ("float", "16777217", "float", 16777216.0),
    ("double", "0.1", "float", 0.1),
    ("double", "1.7976931348623157e308", "float", 1.7976931348623157e308),
    ("bit(1)", "b'1'", "boolean", True),
    ("bit(9)", "b'101000001'", "integer", 321),
    ("bit(64)", "18446744073709551615", "decimal(20,0)", Decimal(2**64 - 1)),
    ("date", "'1000-01-01'", "date", date(1000, 1, 1)),
    ("datetime", "'9999-12-31 23:59:59'", "datetime", datetime.fromisoformat("9999-12-31T23:59:59")),
    ("datetime(6)", "'2024-02-29 01:02:03.000004'", "datetime", datetime.fromisoformat("2024-02-29T01:02:03.000004")),
    ("timestamp(3) null", "'2024-02-29 01:02:03.004'", "timestamp", datetime(2024, 2, 29, 1, 2, 3, 4000, UTC)),
    ("time", "'-838:59:59'", "text", "-838:59:59"),
    ("time(6)", "'01:02:03.000004'", "text", "01:02:03.000004"),
    ("year", "2155", "integer", 2155),
    ("char(5)", "'ab'", "text", "ab"),
    ("varchar(20)", "'é''\"\\\\😀'", "text", "é'\"\\😀"),
    ("varchar(20) character set latin1", "'Größe €'", "text", "Größe €"),
    ("varchar(20) character set utf16", "'日本'", "text", "日本"),
    ("longtext", "repeat('ü', 70000)", "text", "ü" * 70_000),
    ("enum('a','b')", "'b'", "text", "b"),
    ("set('a','b','c')", "'c,a'", "text", "a,c"),
    ("json", """'{"a":  1.50}'""", "json", '{"a":  1.50}'),
    ("binary(3)", r"x'00ff'", "binary", b"\x00\xff\x00"),
    ("varbinary(9)", r"x'00ff'", "binary", b"\x00\xff"),
    ("longblob", "repeat(x'00', 16777300)", "binary", b"\x00" * 16_777_300),
    ("point", "ST_GeomFromText('POINT(1 2)')", "text", "POINT(1 2)"),
    ("uuid", "'1467211f-9869-4eba-8f50-24959ecbddf3'", "text", "1467211f-9869-4eba-8f50-24959ecbddf3"),
    ("inet6", "'::1'", "text", "::1"),
]


@pytest.mark.parametrize(("declared", "value", "named", "expected"), VALUES, ids=[each[0] for each in VALUES])
def test_every_type_has_its_place_and_every_value_is_exact(url, *, server, declared, value, named, expected):
    # Room for the long blob.
    execute(server, "SET GLOBAL max_allowed_packet = 67108864")
    execute(
        url,
        f"CREATE TABLE t (id INT PRIMARY KEY, v {declared})",
        "SET time_zone = '+00:00'",
        f"INSERT INTO t VALUES (1, {value}), (2, NULL)",
    )
    for rows, rejected in (table_of(url), table_of(url, "q", query="SELECT id, v FROM t ORDER BY id")):
        assert rejected == []
        # A query does not know that a text must be JSON.
        assert name_of(rows.schema.field("v").type) in {named, "text" if named == "json" else named}
        assert rows.column("v").to_pylist() == [expected, None]


def test_a_moment_is_the_same_in_every_zone(url, server):
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, moment TIMESTAMP NULL, wall DATETIME)",
        "SET time_zone = '+05:00'",
        "INSERT INTO t VALUES (1, '2024-01-01 00:00:00', '2024-01-01 00:00:00')",
    )
    execute(server, "SET GLOBAL time_zone = '+03:00'")
    try:
        rows, _ = table_of(url)
    finally:
        execute(server, "SET GLOBAL time_zone = SYSTEM")
    assert rows.column("moment").to_pylist() == [datetime(2023, 12, 31, 19, tzinfo=UTC)]
    assert rows.column("wall").to_pylist() == [datetime.fromisoformat("2024-01-01T00:00:00")]


ZEROS = [
    ("date", "0000-00-00"),
    ("date", "2024-00-00"),
    ("datetime", "0000-00-00 00:00:00"),
    ("datetime", "2024-05-00 01:00:00"),
]


@pytest.mark.parametrize(("declared", "value"), ZEROS)
def test_24_a_zero_date_is_rejected_or_null(url, declared, value):
    execute(
        url,
        f"CREATE TABLE t (id INT PRIMARY KEY, v {declared})",
        "SET sql_mode = ''",
        f"INSERT INTO t VALUES (1, '{value}'), (2, '2024-05-01')",
    )
    rows, (rejected,) = table_of(url)
    assert rows.column("id").to_pylist() == [2]
    assert (rejected.column, rejected.reason) == ("v", f"'{value}' is not of type {declared}")
    assert json.loads(rejected.raw) == {"id": 1, "v": value}
    rows, rejected = table_of(url, server_options={"zero_dates": "null"})
    assert (rows.column("v").to_pylist()[0], rejected) == (None, [])


def test_zero_timestamps_too(url):
    execute(url, "CREATE TABLE t (id INT, v TIMESTAMP NULL)", "SET sql_mode = ''", "INSERT INTO t VALUES (1, 0)")
    assert table_of(url)[1][0].reason == "'0000-00-00 00:00:00Z' is not of type timestamp"
    assert table_of(url, server_options={"zero_dates": "null"})[0].column("v").to_pylist() == [None]


def test_tinyint_may_be_a_number(url):
    execute(url, "CREATE TABLE t (id INT, v TINYINT(1), b BIT(1))", "INSERT INTO t VALUES (1, 2, b'1')")
    assert table_of(url)[1][0].reason == "'2' is not of type boolean"
    rows, _ = table_of(url, server_options={"boolean": False})
    assert rows.to_pylist() == [{"id": 1, "v": 2, "b": 1}]


def test_86_87_88_odd_names_are_only_names(url):
    table = "select`; DROP TABLE x;--"
    columns = ["order", "a%s", "a:b", "a?", "q`", "Größe", "SELECT"]
    names = ", ".join(f"`{name.replace('`', '``')}` INT" for name in columns)
    quoted = table.replace("`", "``")
    execute(
        url,
        "CREATE TABLE x (id INT)",
        f"CREATE TABLE `{quoted}` ({names})",
        f"INSERT INTO `{quoted}` VALUES (1,2,3,4,5,6,7)",
    )
    rows, _ = table_of(url, "odd", table=table)
    assert rows.to_pydict() == {name: [place] for place, name in enumerate(columns, start=1)}
    assert table_of(url, "x")[0].num_rows == 0


KEYS = {
    "number": ("INT PRIMARY KEY", ["id"], range(11)),
    "large number": ("BIGINT UNSIGNED PRIMARY KEY", ["id"], [2**64 - 20 + number for number in range(11)]),
    "decimal": ("DECIMAL(10,3) PRIMARY KEY", ["id"], [f"{number}.500" for number in range(11)]),
    "text that ignores case": ("VARCHAR(20) PRIMARY KEY", ["id"], [f"'{c}\\'\\\\'" for c in "aBcDeFgHiJk"]),
    "binary": ("VARBINARY(20) PRIMARY KEY", ["id"], [f"x'{number:02x}ff'" for number in range(11)]),
    "time": ("DATETIME(6) PRIMARY KEY", ["id"], [f"'2024-01-01 00:00:{number:02}.000001'" for number in range(11)]),
    "moment": ("TIMESTAMP(6) PRIMARY KEY", ["id"], [f"'2024-01-01 00:00:{number:02}.000001'" for number in range(11)]),
    "enum": ("ENUM('k','j','i','h','g','f','e','d','c','b','a') PRIMARY KEY", [], [f"'{c}'" for c in "abcdefghijk"]),
    "float": ("DOUBLE PRIMARY KEY", [], range(11)),
    "beginning of a text": ("VARCHAR(20) NOT NULL, UNIQUE (id(3))", [], [f"'{c}'" for c in "abcdefghijk"]),
    "may be null": ("INT UNIQUE", [], range(11)),
    "none": ("INT", [], range(11)),
}


@pytest.mark.parametrize(("declared", "key", "values"), KEYS.values(), ids=KEYS)
def test_a_read_goes_on_after_any_key_and_is_all_or_nothing_without(url, declared, key, values):
    execute(
        url,
        f"CREATE TABLE t (n INT, id {declared})",
        f"INSERT INTO t VALUES {', '.join(f'({place}, {value})' for place, value in enumerate(values))}",
    )
    source = source_of(url, {"t": {"batch_rows": 3}})
    batches = list(source.read("t", None))

    def numbers(some):
        return [value for batch in some for value in batch.rows.column("n").to_pylist()]

    assert sorted(numbers(batches)) == list(range(11))
    assert [batch.position is None for batch in batches[:-1]] == [not key] * 3
    for place, batch in enumerate(batches[:-1]):
        if batch.position is not None:
            assert batch.position.value["key"] == key
            position = Position(json.loads(json.dumps(dict(batch.position.value))), complete=False)
            assert numbers(batches[: place + 1]) + numbers(source.read("t", position)) == numbers(batches)


# declared type, options, two values of the first round, then one that comes later, one late, one too late
CURSORS = {
    "number": ("INT", {"lookback_numbers": 10}, "1", "5000", "5001", "4990", "4989"),
    "unsigned": ("BIGINT UNSIGNED", {"lookback_numbers": 490}, "1", "500", "501", "10", "9"),
    "decimal": ("DECIMAL(10,2)", {"lookback_numbers": 1}, "1.5", "5.25", "5.5", "4.25", "4.24"),
    "time": (
        "DATETIME(3)",
        {},
        *("'2024-01-01'", "'2024-01-02 00:00:00.001'", "'2024-01-02 00:00:01'"),
        *("'2024-01-01 23:50:00.001'", "'2024-01-01 23:50:00.000'"),
    ),
    "moment": (
        "TIMESTAMP NULL",
        {"lookback_seconds": 0.5},
        *("'2024-01-01'", "'2024-01-02'", "'2024-01-02 00:00:01'", "'2024-01-02'", "'2024-01-01 23:59:59'"),
    ),
    "day": (
        "DATE",
        {"lookback_seconds": 86400},
        "'2024-01-01'",
        "'2024-01-05'",
        "'2024-01-06'",
        "'2024-01-04'",
        "'2024-01-03'",
    ),
    "text": ("VARCHAR(9)", {}, "'a'", "'c'", "'d'", "'c'", "'b'"),
}


@pytest.mark.parametrize("case", CURSORS.values(), ids=CURSORS)
def test_a_round_brings_what_is_new_and_what_the_lookback_covers(url, case):
    declared, options, old, greatest, *following = case
    execute(
        url,
        f"CREATE TABLE t (id INT PRIMARY KEY, at {declared})",
        f"INSERT INTO t VALUES (1, {old}), (2, {greatest}), (3, NULL)",
    )
    events = []
    source = source_of(url, {"t": {"cursor": "at", **options}}, events)
    first = list(source.read("t", None))
    execute(url, *(f"INSERT INTO t VALUES ({number}, {value})" for number, value in enumerate(following, start=4)))
    second = list(source.read("t", Position(json.loads(json.dumps(dict(first[-1].position.value))), complete=True)))

    assert sum(batch.rows.num_rows for batch in first) == 3
    assert [value for batch in second for value in batch.rows.column("id").to_pylist()] == [2, 4, 5]
    assert [event.rows for event in events if isinstance(event, StreamSized)][-1] == 3


def test_an_unsigned_cursor_below_the_lookback_begins_at_nothing(url):
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY, at INT UNSIGNED)", "INSERT INTO t VALUES (1, 5)")
    source = source_of(url, {"t": {"cursor": "at"}})
    (first,) = source.read("t", None)
    (second,) = source.read("t", first.position)
    assert second.rows.num_rows == 1


def test_a_position_that_was_tampered_with_is_no_sql(url):
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    source = source_of(url, {"t": {"batch_rows": 1}})
    value = json.loads(json.dumps(dict(next(source.read("t", None)).position.value)))
    value["spans"][0][2] = ["1 OR 1=1"]
    with pytest.raises(SourceMisread, match="where a number belongs"):
        list(source.read("t", Position(value, complete=False)))
    assert literal("'; DROP TABLE t; -- ") == "_utf8mb4 X'273b2044524f50205441424c4520743b202d2d20'"


def test_a_read_sees_one_moment_and_rows_stream(url):
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_70000")
    batches = source_of(url, {"t": {"batch_rows": 20_000}}).read("t", None)
    rows = next(batches).rows.num_rows
    execute(url, "DELETE FROM t")
    assert rows + sum(batch.rows.num_rows for batch in batches) == 70_000


def test_everything_is_asked_in_one_moment(url):
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY)")
    with contextlib.closing(source_of(url, {"t": {}})._connect()) as session:
        session.begin()
        execute(url, "INSERT INTO t VALUES (1)")
        assert session._connection.ask("SELECT count(*) FROM t") == [("0",)]
        with pytest.raises(SourceRefused, match="READ ONLY"):
            session._connection.ask("INSERT INTO t VALUES (2)")


def test_a_connection_whose_rows_were_not_all_taken_is_gone(url):
    with contextlib.closing(source_of(url, {"t": {}})._connect()) as session:
        rows = session._connection.stream("SELECT seq FROM seq_1_to_100000", 10)
        assert next(rows) == [[str(number).encode() for number in range(1, 11)]]
        rows.close()
        assert not session._connection._connection.open
        with pytest.raises((SourceRefused, SourceUnavailable)):
            session._connection.ask("SELECT 1")


def test_a_read_that_is_broken_off_leaves_no_query_behind(url):
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT) AS SELECT seq AS id, repeat('x', 999) AS v FROM seq_1_to_50000",
    )
    before = threading.active_count()
    batches = source_of(url, {"t": {"batch_rows": 1000}}).read("t", None)
    next(batches)
    batches.close()
    assert threading.active_count() == before
    execute(url, "ALTER TABLE t ADD COLUMN w INT")  # waits for whoever still reads


def test_a_killed_connection_is_made_anew_and_the_read_goes_on(url, server):
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT) AS SELECT seq AS id, repeat('x', 999) AS v FROM seq_1_to_60000",
    )
    batches = source_of(url, {"t": {"batch_rows": 2000}}).read("t", None)
    found = [next(batches)]
    name = url.rpartition("/")[2]
    with contextlib.closing(mariadb_server.connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [name])
        killed = [cursor.execute(f"KILL {row[0]}") for row in cursor.fetchall()]
    found += list(batches)
    assert len(killed) == 1
    assert [value for batch in found for value in batch.rows.column("id").to_pylist()] == list(range(1, 60_001))


def test_hidden_columns_are_hidden_by_the_database(url):
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b VARCHAR(9) CHARACTER SET latin1, c TEXT, d TEXT)",
        "INSERT INTO t VALUES (1, 'secret', 'sécret', 'ada@x@example.com', '4111 1234'), (2, NULL, NULL, NULL, '1')",
    )
    columns = {"a": "drop", "b": {"hash": "sha256"}, "c": {"mask": "email"}, "d": {"mask": "last4"}}
    rows, _ = table_of(url, columns=columns)
    assert rows.to_pylist() == [
        {"id": 1, "b": hashlib.sha256("sécret".encode()).hexdigest(), "c": "a***@example.com", "d": "****1234"},
        {"id": 2, "b": None, "c": None, "d": "****"},
    ]


@pytest.mark.parametrize("mode", ["ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT", "PAD_CHAR_TO_FULL_LENGTH", ""])
def test_the_mode_of_the_server_changes_nothing(url, server, mode):
    execute(url, "CREATE TABLE t (id VARCHAR(20) PRIMARY KEY)", r"INSERT INTO t VALUES ('a\'\\'), ('b'), ('c')")
    before = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"
    try:
        execute(server, f"SET GLOBAL sql_mode = '{mode}'")
        source = source_of(url, {"t": {"batch_rows": 1}})
        first = next(source.read("t", None))
        rest = list(source.read("t", first.position))
    finally:
        execute(server, f"SET GLOBAL sql_mode = '{before}'")
    assert [batch.rows.column("id").to_pylist() for batch in [first, *rest]] == [["a'\\"], ["b"], ["c"]]


def test_94_views_and_queries_are_relations(url):
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, price DECIMAL(5,2), twice DECIMAL(6,2) AS (price * 2))",
        "INSERT INTO t (id, price) VALUES (1, 1.5)",
        "CREATE VIEW v AS SELECT id, price, twice FROM t",
    )
    for rows, _ in (table_of(url), table_of(url, "v"), table_of(url, "q", query="SELECT * FROM t -- comment")):
        assert rows.to_pylist() == [{"id": 1, "price": Decimal("1.50"), "twice": Decimal("3.00")}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "T"}, r"there is no table or view bief_\w+.T. There is bief_\w+.t"),
        ({"schema": "nowhere"}, "there is no table or view nowhere.t"),
        ({"query": "SELECT nothing FROM t"}, "Unknown column 'nothing'"),
        ({"query": "SELECT id, id FROM t"}, "Duplicate column name 'id'"),
        ({"query": "DELETE FROM t"}, "error in your SQL syntax"),
        ({"columns": {"x": "text"}}, "has no column x"),
        ({"cursor": "x"}, "has no column 'x'"),
    ],
)
def test_what_is_not_there_is_named(url, options, message):
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY)")
    with pytest.raises((SourceRefused, SourceMisread), match=message):
        list(source_of(url, {"t": options}, max_attempts=1).read("t", None))


def test_96_a_missing_right_is_found_by_check_and_says_what_to_do(url, server):
    name = url.rpartition("/")[2]
    execute(url, "CREATE TABLE t (id INT)", "CREATE TABLE s (id INT)")
    execute(
        server, f"CREATE OR REPLACE USER '{name}' IDENTIFIED BY 'pass%word'", f"GRANT SELECT ON {name}.s TO '{name}'"
    )
    given = url.replace("root", f"{name}:pass%25word")
    source_of(given, {"s": {}}).check()
    with pytest.raises(SourceRefused, match=r"there is no table or view|GRANT SELECT"):
        source_of(given, {"t": {}}).check()
    execute(server, f"DROP USER '{name}'")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (("root", "nobody:wrong-password"), SourceRefused, "Correct the user and the password"),
        (("127.0.0.1:", "127.0.0.1:1"), SourceUnavailable, "connect"),
        (("/bief_", "/not_bief_"), SourceRefused, "Correct the name of the database"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_an_error_without_secrets(url, change, kind, message):
    wrong = url.replace(*change)
    if change[0] == "127.0.0.1:":
        wrong = "mysql://root@127.0.0.1:1/mysql"
    with pytest.raises(kind, match=message) as caught:
        source_of(wrong, {"t": {}}, max_attempts=1).check()
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("postgresql://u:secret-word@h/d", "begins with mysql://"),
        ("mysql://u:secret-word@h", "name of one database"),
        ("mysql://u:secret-word@h/d?init_command=DROP", "unknown parameter: init_command"),
    ],
)
def test_a_wrong_url_is_an_error_before_any_connection(wrong, message):
    with pytest.raises(ValidationError, match=message) as caught:
        source_of(wrong, {"t": {}})
    assert "secret-word" not in str(caught.value)


def test_tls_is_refused_or_used_as_asked(url):
    execute(url, "CREATE TABLE t (id INT)")
    with pytest.raises((SourceRefused, SourceUnavailable), match=r"SSL|ssl|certificate"):
        source_of(url, {"t": {}}, tls="verify", max_attempts=1).check()
    source_of(url, {"t": {}}, tls="off").check()
