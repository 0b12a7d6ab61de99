"""What PostgreSQL gives as a source: every type, hidden columns, odd names, queries, and errors that say what to do."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from postgres_server import execute

from bief.base.events import SourceWarned, StreamSized
from bief.batches.batch import ROW_NUMBER
from bief.batches.schema import name_of
from bief.batches.shaping import shape
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.database.postgres import PostgresOptions, PostgresSource


def source_of(url, streams, events=None, **options):
    runtime = Runtime(folder=Path(), emit=(events if events is not None else []).append)
    return PostgresSource("shop", PostgresOptions(url=url, streams=streams, **options), runtime)


def table_of(url, stream="t", **options):
    """All rows of one stream, as they come, and the rows that were rejected."""
    batches = list(source_of(url, {stream: options}).read(stream, None))
    rows = pa.concat_tables([batch.rows for batch in batches], promote_options="default")
    return rows, [each for batch in batches for each in batch.rejected]


# type, SQL of a value, name of the type it gets, the value in Arrow
VALUES = [
    ("smallint", "7", "integer", 7),
    ("bigint", "9223372036854775807", "integer", 2**63 - 1),
    ("oid", "4294967295", "text", "4294967295"),
    ("real", "1.5", "float", 1.5),
    ("double precision", "'Infinity'", "float", float("inf")),
    ("numeric(12,2)", "1.5", "decimal(12,2)", Decimal("1.50")),
    ("numeric(38,0)", "99999999999999999999999999999999999999", "decimal(38,0)", Decimal("9" * 38)),
    ("numeric(3,5)", "0.00123", "decimal(5,5)", Decimal("0.00123")),
    ("numeric(3,-2)", "12300", "decimal(5,0)", Decimal(12300)),
    ("numeric(50,2)", "1.50", "decimal(38,9)", Decimal("1.5")),
    ("numeric", "1.123456789", "decimal(38,9)", Decimal("1.123456789")),
    ("numeric", "1.0000000000000", "decimal(38,9)", Decimal(1)),
    ("numeric", "1.1234567891", "decimal(38,18)", Decimal("1.1234567891")),
    ("numeric", "12345678901234567890123456789012345678901", "text", "12345678901234567890123456789012345678901"),
    ("money", "1234.5::numeric", "decimal(38,2)", Decimal("1234.50")),
    ("boolean", "true", "boolean", True),
    ("text", "'é''\"\\'", "text", "é'\"\\"),
    ("varchar(5)", "'abc'", "text", "abc"),
    ("char(5)", "'abc'", "text", "abc"),
    ('"char"', "'x'", "text", "x"),
    ("name", "'x'", "text", "x"),
    ("date", "'2024-02-29'", "date", date(2024, 2, 29)),
    ("timestamp", "'2024-02-29 01:02:03.000004'", "datetime", datetime.fromisoformat("2024-02-29T01:02:03.000004")),
    ("timestamptz", "'2024-02-29 01:02:03+02'", "timestamp", datetime(2024, 2, 28, 23, 2, 3, tzinfo=UTC)),
    ("time", "'01:02:03'", "text", "01:02:03"),
    ("timetz", "'01:02:03+02'", "text", "01:02:03+02"),
    ("interval", "'1 year 2 months 3 days 4 hours'", "text", "P1Y2M3DT4H"),
    ("bytea", r"'\x00ff'", "binary", b"\x00\xff"),
    ("uuid", "'1467211f-9869-4eba-8f50-24959ecbddf3'", "text", "1467211f-9869-4eba-8f50-24959ecbddf3"),
    ("json", """'{"a":  1.50}'""", "json", '{"a":  1.50}'),
    ("jsonb", """'{"a":  1.50}'""", "json", '{"a": 1.50}'),
    ("int[]", "'{{1,2},{3,null}}'", "json", "[[1,2],[3,null]]"),
    ("numeric[]", "'{1.50,NaN}'", "json", '[1.50,"NaN"]'),
    ("text[]", """'{"a,b",null}'""", "json", '["a,b",null]'),
    ("timestamptz[]", "'{infinity}'", "json", '["infinity"]'),
    ("int4range", "'[1,5)'", "text", "[1,5)"),
    ("int4multirange", "'{[1,5)}'", "text", "{[1,5)}"),
    ("inet", "'10.0.0.1/8'", "text", "10.0.0.1/8"),
    ("cidr", "'10.0.0.0/8'", "text", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "text", "08:00:2b:01:02:03"),
    ("bit(3)", "'101'", "text", "101"),
    ("varbit", "'1'", "text", "1"),
    ("tsvector", "'a b'", "text", "'a' 'b'"),
    ("point", "'(1,2)'", "text", "(1,2)"),
    ("mood", "'ok'", "text", "ok"),
    ("price", "1.50", "decimal(10,2)", Decimal("1.50")),
    ("prices", "'{1.50}'", "json", "[1.50]"),
    ("pair", "'(1,\"a b\")'", "json", '{"a":1,"b":"a b"}'),
]


def test_91_every_type_has_its_place_and_every_value_is_exact(postgres_url):
    execute(
        postgres_url,
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE DOMAIN cents AS numeric(10,2)",
        "CREATE DOMAIN price AS cents CHECK (VALUE > 0)",
        "CREATE DOMAIN prices AS numeric(10,2)[]",
        "CREATE TYPE pair AS (a int, b text)",
        f"CREATE TABLE t ({', '.join(f'c{n} {each[0]}' for n, each in enumerate(VALUES))})",
        f"INSERT INTO t VALUES ({', '.join(each[1] for each in VALUES)})",
        "INSERT INTO t DEFAULT VALUES",
    )
    rows, rejected = table_of(postgres_url)
    rows = shape(rows, source_of(postgres_url, {"t": {}}).streams()[0].shape)

    assert rejected == []
    for number, (declared, _, expected_type, expected) in enumerate(VALUES):
        column = rows.column(f"c{number}")
        assert (declared, name_of(column.type)) == (declared, expected_type)
        assert (declared, column.to_pylist()) == (declared, [expected, None])


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("timestamptz", "infinity"),
        ("timestamp", "-infinity"),
        ("date", "infinity"),
        ("date", "-infinity"),
        ("numeric(5,2)", "NaN"),
        ("numeric", "Infinity"),
    ],
)
def test_91_a_value_that_its_type_cannot_hold_is_set_aside_with_its_row(postgres_url, declared, value):
    good = "'2024-01-01'" if declared[0] in "td" else "1.5"
    execute(
        postgres_url,
        f"CREATE TABLE t (id int PRIMARY KEY, v {declared}, n numeric(5,2) DEFAULT 1.5, j jsonb DEFAULT '[1]')",
        f"INSERT INTO t VALUES (1, {good}), (2, '{value}'), (3, NULL)",
    )
    rows, rejected = table_of(postgres_url)

    assert rows.column("id").to_pylist() == [1, 3]
    (row,) = rejected
    assert (row.rule, row.column, row.origin) == ("type", "v", "public.t, id 2")
    assert value in row.reason
    assert json.loads(row.raw) == {"id": 2, "v": value, "n": "1.50", "j": [1]}


def test_91_years_before_christ_stay_in_order(postgres_url):
    execute(
        postgres_url, "CREATE TABLE t (v date, w timestamp)", "INSERT INTO t VALUES ('0044-03-15 BC', '0044-03-15 BC')"
    )
    rows, rejected = table_of(postgres_url)

    assert rejected == []
    assert rows.column("v").cast(pa.int32()).to_pylist() == [-735_160]
    assert rows.column("w").cast(pa.int64()).to_pylist() == [-735_160 * 86_400_000_000]


def test_86_to_88_names_are_quoted(postgres_url):
    execute(
        postgres_url,
        """CREATE TABLE "users""; DROP TABLE x;--"
        ("a%s" int, "a:b" int, "a?" int, "Select" int PRIMARY KEY, "q""x" int)""",
        """INSERT INTO "users""; DROP TABLE x;--" VALUES (1, 2, 3, 4, 5), (1, 2, 3, 5, 6)""",
    )
    rows, _ = table_of(postgres_url, table='users"; DROP TABLE x;--', cursor="a%s", primary_key="Select", batch_rows=1)

    assert rows.drop_columns([ROW_NUMBER]).to_pydict() == {
        "a%s": [1, 1], "a:b": [2, 2], "a?": [3, 3], "Select": [4, 5], 'q"x': [5, 6]
    }  # fmt: skip


def test_90_a_table_that_is_not_there_is_named_and_a_similar_one_too(postgres_url):
    execute(postgres_url, 'CREATE TABLE "Orders" (id int)', "CREATE SCHEMA sales", "CREATE TABLE sales.items (id int)")
    with pytest.raises(SourceRefused, match=r"no table or view public\.orders.*There is public\.Orders"):
        table_of(postgres_url, stream="orders")
    with pytest.raises(SourceRefused, match=r"public\.sales\.items.*There is sales\.items.*`schema`"):
        table_of(postgres_url, table="sales.items")

    assert table_of(postgres_url, table="items", schema="sales")[0].num_rows == 0


def test_what_is_hidden_leaves_the_database_hidden(postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE t"
        " (id int PRIMARY KEY, password text, email text, card text, tax text, salary int, n numeric(9,2))",
        "INSERT INTO t VALUES (1, 's3cr3t', 'ada@example.com', '4111 1111 1111 1234', 'é', 5000, 'NaN'),"
        " (2, 's3cr3t', 'nobody', '1234', NULL, NULL, 1)",
    )
    rules = {
        "password": "drop",
        "email": {"mask": "email"},
        "card": {"mask": "last4"},
        "tax": {"hash": "sha256"},
        "salary": {"mask": "all", "rename": "pay"},
    }
    source = source_of(postgres_url, {"t": {"columns": rules}})
    (batch,) = source.read("t", None)
    loaded = shape(batch.rows, source.streams()[0].shape).drop_columns([ROW_NUMBER])
    # What other sources do in Arrow is the same.
    execute(postgres_url, "UPDATE t SET n = 1")
    plain = source_of(postgres_url, {"t": {"columns": {"tax": "text", "salary": "text"}}})
    (open_batch,) = plain.read("t", None)
    by_hand = shape(open_batch.rows, source._options.streams["t"].shape()).drop_columns([ROW_NUMBER])

    assert loaded.to_pylist() == by_hand.slice(1).to_pylist()
    assert by_hand.to_pydict() | {"n": []} == {
        "id": [1, 2],
        "email": ["a***@example.com", "****"],
        "card": ["****1234", "****"],
        "tax": [hashlib.sha256("é".encode()).hexdigest(), None],
        "pay": ["****", None],
        "n": [],
    }
    (row,) = batch.rejected
    assert all(secret not in row.raw + row.reason for secret in ("s3cr3t", "ada@", "4111", "5000"))


def test_a_hidden_key_stands_in_no_position(postgres_url):
    execute(postgres_url, "CREATE TABLE t (id text PRIMARY KEY)", "INSERT INTO t VALUES ('a'), ('b'), ('c')")
    source = source_of(postgres_url, {"t": {"batch_rows": 1, "columns": {"id": {"hash": "sha256"}}}})
    batches = list(source.read("t", None))

    assert [batch.position is None for batch in batches] == [True, True, False]
    assert batches[-1].complete


def test_94_without_a_key_a_read_is_one_whole(postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE t (id int, v int)",
        "CREATE UNIQUE INDEX nullable ON t (id)",
        "CREATE UNIQUE INDEX partial ON t (v) WHERE v > 1",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO t VALUES (NULL, 1), (NULL, 1), (1, 1)",
        "REFRESH MATERIALIZED VIEW m",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO child VALUES (1)",
    )
    for stream in ("t", "v", "m", "parent"):
        batches = list(source_of(postgres_url, {stream: {"batch_rows": 1}}).read(stream, None))
        assert [batch.position is None for batch in batches] == [True, True, False]
        assert sum(batch.rows.num_rows for batch in batches) == 3


def test_94_a_partitioned_table_and_one_without_columns(postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY HASH (id)",
        "CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 10) AS i",
        "CREATE TABLE nothing ()",
    )
    rows, _ = table_of(postgres_url)
    assert rows.column("id").to_pylist() == list(range(1, 11))
    with pytest.raises(SourceMisread, match="no column to read"):
        table_of(postgres_url, stream="nothing")


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("text", ["", "'", "a", "B", "é", "\\", "z"]),
        ("uuid", [f"{n:08}-0000-0000-0000-000000000000" for n in (1, 20, 3)]),
        ("numeric", ["-1.5", "2", "10", "1000000000000000000000"]),
        ("timestamptz", ["2024-01-01 00:00:00.000001+00", "2024-01-01 00:00:00.000002+00", "infinity"]),
        ("date", ["0044-03-15 BC", "2024-01-01"]),
        ("bytea", ["\\x00", "\\xff"]),
        ("bigint", ["-5", "5", "40"]),
        ("char(3)", ["a", "ab", "b"]),
        ("mood", ["sad", "ok"]),
    ],
)
def test_a_read_goes_on_after_a_key_of_any_type(postgres_url, declared, values):
    execute(
        postgres_url,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        f"CREATE TABLE t (k {declared}, n int, PRIMARY KEY (n, k))",
    )
    for value in values:
        text = value.replace("'", "''")
        execute(postgres_url, f"INSERT INTO t VALUES ('{text}', 1), ('{text}', 2)")
    source = source_of(postgres_url, {"t": {"batch_rows": 1}})
    batches = list(source.read("t", None))
    texts = [batch.provenance.raw(0) if batch.rows.num_rows else batch.rejected[0].raw for batch in batches]

    assert len(texts) == 2 * len(values)
    for place, batch in enumerate(batches[:-1]):
        (following, *_) = source.read("t", batch.position)
        raw = following.provenance.raw(0) if following.rows.num_rows else following.rejected[0].raw
        assert raw == texts[place + 1]


def test_a_query_is_described_without_being_run(postgres_url):
    execute(postgres_url, "CREATE TABLE t (id int, v numeric(9,2))", "INSERT INTO t VALUES (1, 1.5), (2, 2.5)")
    query = "SELECT id, v * 2 AS twice, ARRAY[id] AS list FROM t WHERE id > 1 -- a comment at the end;"
    rows, _ = table_of(postgres_url, query=query, primary_key="id")

    assert rows.drop_columns([ROW_NUMBER]).to_pylist() == [{"id": 2, "twice": Decimal("5.000000000"), "list": "[2]"}]
    with pytest.raises(SourceRefused, match="two columns called 'id'"):
        table_of(postgres_url, query="SELECT id, id FROM t")
    with pytest.raises(SourceRefused, match="syntax error"):
        table_of(postgres_url, query="SELEC 1")
    with pytest.raises(SourceRefused):
        table_of(postgres_url, query="DELETE FROM t RETURNING id")
    assert table_of(postgres_url)[0].num_rows == 2


def test_declared_types_win(postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE t (a numeric, b numeric(9,2), c int)",
        "INSERT INTO t VALUES (1.5, 2.5, 3), ('NaN', 1, 1)",
    )
    rows, rejected = table_of(postgres_url, columns={"a": "decimal(10,4)", "b": "text", "c": "text"})

    # The guard holds each value against the declared type, and knows the table.
    assert rejected == []
    assert rows.drop_columns([ROW_NUMBER]).to_pydict() == {"a": ["1.5", "NaN"], "b": ["2.50", "1.00"], "c": ["3", "1"]}


def test_a_column_of_which_the_project_file_speaks_must_be_there(postgres_url):
    execute(postgres_url, "CREATE TABLE t (id int)")
    for options in ({"columns": {"passwrd": "drop"}}, {"cursor": "updated"}, {"primary_key": "key"}):
        with pytest.raises(SourceMisread, match=r"has no column .*It has: id"):
            table_of(postgres_url, **options)
        with pytest.raises(SourceMisread, match=r"has no column .*It has: id"):
            source_of(postgres_url, {"t": options}).check()


def test_96_check_names_the_table_that_may_not_be_read(postgres_url):
    database = postgres_url.split("/")[3].split("?")[0]
    user = f"reader_{database}"
    execute(
        postgres_url,
        "CREATE TABLE a (id int)",
        "CREATE TABLE b (id int)",
        f"CREATE ROLE {user} LOGIN",
        f"GRANT SELECT ON a TO {user}",
    )
    try:
        limited = postgres_url.replace("postgres:@", f"{user}:@")
        source_of(limited, {"a": {}}).check()
        with pytest.raises(SourceRefused, match=r"may not read public\.b.*GRANT"):
            source_of(limited, {"a": {}, "b": {}}).check()
    finally:
        execute(postgres_url, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def test_nobody_answers():
    away = source_of("postgresql://reader:s3cr3t-word@127.0.0.1:1/shop", {"t": {}}, connect_timeout_seconds=2)
    with pytest.raises(SourceUnavailable, match="Check that the server runs") as refused:
        away.check()
    assert "s3cr3t-word" not in str(refused.value)


def test_92_a_time_without_zone_is_given_as_it_stands_whatever_the_session_says(postgres_url):
    database = postgres_url.split("/")[3].split("?")[0]
    execute(
        postgres_url,
        f"ALTER DATABASE {database} SET TimeZone = 'Europe/Paris'",
        "CREATE TABLE t (naive timestamp, aware timestamptz)",
        "INSERT INTO t VALUES ('2024-10-27 02:30', '2024-10-27 02:30+02'), ('2024-10-27 02:30', '2024-10-27 02:30+01')",
    )
    rows, _ = table_of(postgres_url)

    assert rows.column("naive").to_pylist() == [datetime.fromisoformat("2024-10-27T02:30")] * 2
    assert [each.hour for each in rows.column("aware").to_pylist()] == [0, 1]


def test_97_another_server_encoding_is_converted(postgres_url):
    database = postgres_url.split("/")[3].split("?")[0]
    name = f"{database}_latin"
    execute(postgres_url, f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        latin = postgres_url.replace(database, name)
        execute(latin, "CREATE TABLE t (v text)", "INSERT INTO t VALUES (chr(233) || 't' || chr(233))")
        assert table_of(latin)[0].column("v").to_pylist() == ["été"]
    finally:
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_97_text_of_no_encoding_is_refused_and_can_be_read_as_bytes(postgres_url):
    database = postgres_url.split("/")[3].split("?")[0]
    name = f"{database}_ascii"
    execute(postgres_url, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        plain = postgres_url.replace(database, name)
        execute(plain, "CREATE TABLE t (id int, v text)", "INSERT INTO t VALUES (1, 'été')")
        assert table_of(plain)[0].column("v").to_pylist() == ["été"]
        execute(plain, r"INSERT INTO t VALUES (2, E'\xe9')")
        with pytest.raises(SourceRefused, match=r"invalid byte sequence.*encode\("):
            table_of(plain)
        rows, _ = table_of(plain, query="SELECT id, encode(v::bytea, 'hex') AS v FROM t WHERE id = 2")
        assert rows.column("v").to_pylist() == ["e9"]
    finally:
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_size_is_told(postgres_url):
    execute(
        postgres_url, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 100)", "ANALYZE t"
    )
    events = []
    list(source_of(postgres_url, {"t": {}}, events).read("t", None))

    assert [event.rows for event in events if isinstance(event, StreamSized)] == [100]
    assert not [event for event in events if isinstance(event, SourceWarned)]


def test_a_query_that_takes_too_long_is_ended_and_told(postgres_url):
    execute(
        postgres_url, "CREATE VIEW t AS SELECT n, pg_sleep(0.01) IS NULL AS slept FROM generate_series(1, 1000) AS n"
    )
    impatient = source_of(postgres_url, {"t": {}}, statement_timeout_seconds=0.3, max_attempts=1)
    with pytest.raises(SourceUnavailable, match=r"statement timeout.*Raise `statement_timeout_seconds`"):
        list(impatient.read("t", None))
