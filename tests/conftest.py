"""Fixtures of all tests: servers that are started once and asked for by name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import fresh_database, server_url
from s3_server import S3Server, s3_store

LEAN = Path(__file__).parent / "support" / "lean"

# Its tests are collected from where they are imported: their asserts shall say as much as those of test files.
pytest.register_assert_rewrite("bief.testing.source_suite")


def pytest_configure(config: pytest.Config) -> None:
    """The processes that tests start see Bief and what it depends on, and no more (see `support/lean`). The processes
    that run the tests themselves see everything."""
    starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not starts_others:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(LEAN), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server. A short folder: the path of a Unix socket has room for 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="bief-pg-"))
    yield server_url(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """One database for the tests of a module."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database for one test."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3-compatible store."""
    with s3_store(tmp_path_factory.mktemp("s3")) as server:
        yield server
