"""What SQLAlchemy gives as a source, on three real databases: types, keys, rounds, hidden columns, errors."""

from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import mariadb_server
import pyarrow as pa
import pytest
import sqlalchemy
from postgres_server import fresh_database

from bief.batches.batch import ROW_NUMBER, Position
from bief.batches.schema import JSON, name_of
from bief.batches.shaping import shape
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.database.sqlalchemy import SqlalchemySource


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
    elif request.param == "mysql":
        with mariadb_server.fresh_database(mariadb_server.server_url()) as made:
            yield made.replace("mysql://", "mysql+pymysql://")
    else:
        with fresh_database(request.getfixturevalue("postgres_server")) as made:
            yield made.replace("postgresql://", "postgresql+psycopg://")


def execute(url, *statements):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))


def source_of(url, streams, **options):
    options = SqlalchemySource.Options.model_validate({"url": url, "streams": streams, **options})
    return SqlalchemySource("shop", options, Runtime(folder=Path()))


def table_of(url, stream="t", **options):
    source = source_of(url, {stream: options})
    batches = list(source.read(stream, None))
    source.close()
    (declared,) = source.streams()
    rows = pa.concat_tables([shape(batch.rows, declared.shape) for batch in batches], promote_options="default")
    return rows.drop_columns([ROW_NUMBER]), [each for batch in batches for each in batch.rejected]


def made_of(url, rows):
    """A table of many types, made by SQLAlchemy itself."""
    types = sqlalchemy.types
    table = sqlalchemy.Table(
        "t",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("id", types.BigInteger().with_variant(types.Integer, "sqlite"), primary_key=True),
        sqlalchemy.Column("exact", types.Numeric(20, 4)),
        sqlalchemy.Column("inexact", types.Double),
        sqlalchemy.Column("yes", types.Boolean),
        sqlalchemy.Column("day", types.Date),
        sqlalchemy.Column("wall", types.DateTime),
        sqlalchemy.Column("clock", types.Time),
        sqlalchemy.Column("word", types.String(50)),
        sqlalchemy.Column("bytes", types.LargeBinary),
        sqlalchemy.Column("document", types.JSON),
    )
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), rows)


ROW = {
    "id": 1,
    "exact": Decimal("1234567890.1234"),
    "inexact": 0.1,
    "yes": True,
    "day": date(2024, 2, 29),
    "wall": datetime.fromisoformat("2024-02-29T01:02:03"),
    "clock": datetime.fromisoformat("2024-02-29T01:02:03").time(),
    "word": "é'\"\\",
    "bytes": b"\x00\xff",
    "document": {"a": [1, None]},
}


@pytest.mark.filterwarnings("ignore:Dialect sqlite.* does .not. support Decimal objects")
def test_values_come_as_they_are(url):
    nulls = {name: None for name in ROW if name != "document"}
    made_of(url, [ROW, {**nulls, "id": 2, "document": sqlalchemy.null()}])
    rows, rejected = table_of(url)

    assert rejected == []
    text_of_json = rows.column("document").to_pylist()[0]
    assert json.loads(text_of_json) == ROW["document"]
    found = rows.to_pylist()
    # SQLite has no type for truth values and MariaDB has none but tinyint(1): what is reflected is a number there.
    assert {**found[0], "document": None, "yes": bool(found[0]["yes"])} == {
        **ROW,
        "document": None,
        "clock": "01:02:03",
    }
    assert found[1] == {**nulls, "id": 2, "document": None}
    assert name_of(rows.schema.field("exact").type) == "decimal(20,4)"


def test_a_query_has_the_types_of_its_values(url):
    execute(url, "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    rows, _ = table_of(url, "q", query="SELECT id, v, NULL AS n, 1.5 AS d FROM t ORDER BY id -- comment")
    assert rows.column("id").to_pylist() == [1, 2]
    assert rows.column("v").to_pylist() == ["x", None]
    assert rows.schema.field("n").type == pa.null()
    assert [float(value) for value in rows.column("d").to_pylist()] == [1.5, 1.5]


KEYS = {
    "number": ("INTEGER PRIMARY KEY", ["id"], range(11)),
    "text": ("VARCHAR(20) PRIMARY KEY", ["id"], [f"'{c}''s'" for c in "abcdefghijk"]),
    "decimal": ("DECIMAL(10,3) PRIMARY KEY", ["id"], [f"{number}.500" for number in range(11)]),
    "date": ("DATE PRIMARY KEY", ["id"], [f"'2024-01-{number:02}'" for number in range(1, 12)]),
    "none": ("INTEGER", [], range(11)),
}


@pytest.mark.filterwarnings("ignore:Dialect sqlite.* does .not. support Decimal objects")
@pytest.mark.parametrize(("declared", "key", "values"), KEYS.values(), ids=KEYS)
def test_a_read_goes_on_after_any_key_and_is_all_or_nothing_without(url, declared, key, values):
    rows = ", ".join(f"({place}, {value})" for place, value in enumerate(values))
    execute(url, f"CREATE TABLE t (n INTEGER, id {declared})", f"INSERT INTO t VALUES {rows}")
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
    source.close()


def test_a_key_of_two_columns(url):
    rows = ", ".join(f"({number % 3}, {number})" for number in range(11))
    execute(url, "CREATE TABLE t (a INTEGER, b INTEGER, PRIMARY KEY (a, b))", f"INSERT INTO t VALUES {rows}")
    source = source_of(url, {"t": {"batch_rows": 2}})
    batches = list(source.read("t", None))

    def pairs(some):
        return [(row["a"], row["b"]) for batch in some for row in batch.rows.to_pylist()]

    assert pairs(batches) == sorted((number % 3, number) for number in range(11))
    for place, batch in enumerate(batches[:-1]):
        assert pairs(batches[: place + 1]) + pairs(source.read("t", batch.position)) == pairs(batches)


# declared type, options, two values of the first round, then one that comes later, one late, one too late
CURSORS = {
    "number": ("INTEGER", {"lookback_numbers": 10}, "1", "5000", "5001", "4990", "4989"),
    "time": (
        "TIMESTAMP NULL DEFAULT NULL",
        {},
        *("'2024-01-01 00:00:00'", "'2024-01-02 00:00:00'", "'2024-01-02 00:00:01'"),
        *("'2024-01-01 23:50:01'", "'2024-01-01 23:49:59'"),
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
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared})",
        f"INSERT INTO t VALUES (1, {old}), (2, {greatest}), (3, NULL)",
    )
    source = source_of(url, {"t": {"cursor": "at", **options}})
    first = list(source.read("t", None))
    execute(url, *(f"INSERT INTO t VALUES ({number}, {value})" for number, value in enumerate(following, start=4)))
    second = list(source.read("t", Position(json.loads(json.dumps(dict(first[-1].position.value))), complete=True)))

    assert sum(batch.rows.num_rows for batch in first) == 3
    assert [value for batch in second for value in batch.rows.column("id").to_pylist()] == [2, 4, 5]
    source.close()


def test_hidden_columns_are_hidden_on_the_road(url):
    execute(url, "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), c INTEGER)")
    execute(url, "INSERT INTO t VALUES (1, 'secret', 'secret', 17)")
    rows, _ = table_of(url, columns={"a": "drop", "b": {"hash": "sha256"}, "c": {"hash": "sha256"}})
    hashes = [hashlib.sha256(text).hexdigest() for text in (b"secret", b"17")]
    assert rows.to_pylist() == [{"id": 1, "b": hashes[0], "c": hashes[1]}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "absent"}, "there is no table or view absent. There is t"),
        ({"query": "SELECT absent FROM t"}, "(?i)absent"),
        ({"query": "SELECT id FROM t", "cursor": "id"}, "is not known before it is read"),
        ({"cursor": "x"}, "has no column 'x'"),
    ],
)
def test_what_is_not_there_is_named(url, options, message):
    execute(url, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    source = source_of(url, {"t": options}, max_attempts=1)
    with pytest.raises((SourceRefused, SourceMisread), match=message) as caught:
        list(source.read("t", None))
    assert "[SQL" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ("nonsense", SourceRefused, "Correct `url`"),
        ("absent://u:secret-word@h/d", SourceRefused, "install the driver"),
        ("oracle+oracledb://u:secret-word@h/d", SourceRefused, "install the driver"),
        ("postgresql+psycopg://u:secret-word@127.0.0.1:1/d", SourceUnavailable, "127.0.0.1"),
    ],
)
def test_a_wrong_url_is_an_error_without_secrets(wrong, kind, message):
    with pytest.raises(kind, match=message) as caught:
        source_of(wrong, {"t": {}}).check()
    assert "secret-word" not in str(caught.value)


def test_a_moment_with_a_zone_is_a_moment(postgres_url):
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY, at timestamptz, doc jsonb)")
    execute(url, "INSERT INTO t VALUES (1, '2024-01-01T00:00:00+02', '{\"a\": 1}')")
    rows, _ = table_of(url)
    assert rows.column("at").to_pylist() == [datetime(2023, 12, 31, 22, tzinfo=UTC)]
    assert rows.schema.field("doc").type == JSON


def test_everything_is_asked_in_one_moment(url):
    if url.startswith("sqlite"):
        pytest.skip("a writer waits until the read is over")
    execute(url, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    source = source_of(url, {"t": {}})
    with contextlib.closing(source._connect()) as session:
        session.begin()
        counts = []
        for _ in range(2):
            counts.append(session._connection.execute(sqlalchemy.text("SELECT count(*) FROM t")).scalar())
            execute(url, f"INSERT INTO t VALUES ({10 + len(counts)})")
    assert counts == [1, 1]


def test_a_read_sees_one_moment(url):
    execute(url, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    for start in range(0, 30_000, 10_000):
        execute(url, f"INSERT INTO t VALUES {', '.join(f'({n})' for n in range(start, start + 10_000))}")
    source = source_of(url, {"t": {"batch_rows": 5000}})
    batches = source.read("t", None)
    rows = next(batches).rows.num_rows
    if not url.startswith("sqlite"):
        execute(url, "DELETE FROM t")
    assert rows + sum(batch.rows.num_rows for batch in batches) == 30_000
