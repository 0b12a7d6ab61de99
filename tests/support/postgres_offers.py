"""What PostgreSQL offers to the conformance suite of sources."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from postgres_server import execute

from bief.ports.runtime import Runtime
from bief.sources.database.postgres import PostgresOptions, PostgresSource
from bief.testing import CANARY, Offer

ROWS = 37
_TABLE = (
    "CREATE TABLE offered (id {type} PRIMARY KEY, at timestamptz DEFAULT now())",
    f"INSERT INTO offered (id) SELECT n::{{type}} FROM generate_series(100, {99 + ROWS}) AS n ORDER BY random()",
)


def _offered(kind: str, ids: list[Any], **options: Any) -> Callable[[Runtime, str], Any]:
    @contextlib.contextmanager
    def opened(runtime: Runtime, url: str) -> Iterator[Offer]:
        execute(url, *(statement.format(type=kind) for statement in _TABLE))
        streams = {"offered": {"primary_key": "id", "batch_rows": 5, **options}}
        with_password = url.replace("postgres:@", f"postgres:{CANARY}@")
        source = PostgresSource("shop", PostgresOptions(url=with_password, streams=streams), runtime)
        yield Offer(source, "offered", ids)
        source.close()

    return opened


_NUMBERS = list(range(100, 100 + ROWS))
# The tests open each of these in a fresh database, whose URL they hand over.
POSTGRES_OFFERS = {
    "postgres, by number": _offered("bigint", _NUMBERS),
    "postgres, by text": _offered("text", [str(each) for each in _NUMBERS]),
    "postgres, incremental": _offered("int", _NUMBERS, cursor="at"),
}
