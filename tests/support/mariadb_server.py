"""A MariaDB server for the tests: the one named by BIEF_TEST_MARIADB_URL, else one started by the session.

Debian's package mariadb-server has the programs; `make test` installs it where it may. A missing server is a skip with
its reason, or a failure with BIEF_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pymysql
from postgres_server import missing

_START_SECONDS = 60


def server_url() -> str:
    """The URL of a server that runs, whose user may make databases and users."""
    return os.environ.get("BIEF_TEST_MARIADB_URL") or _started()


@functools.cache
def _started() -> str:
    programs = [_program("mariadbd", "mysqld"), _program("mariadb-install-db", "mysql_install_db")]
    if None in programs:
        return missing("no MariaDB: BIEF_TEST_MARIADB_URL is not set and mariadb-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="bief-maria-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # As root, the server insists that somebody says so.
    user = [f"--user={getpass.getuser()}"]
    made = [programs[1], "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal", *user]
    subprocess.run([*made, "--skip-test-db"], check=True, capture_output=True)
    port = _free_port()
    words = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/p"]
    quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-name-resolve"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs[0], "--no-defaults", f"--datadir={folder}/data", *user, *words, *quick], stdout=log, stderr=log
        )
    atexit.register(server.wait)
    atexit.register(server.terminate)
    url = f"mysql://root@127.0.0.1:{port}/mysql"
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            connect(url).close()
        except pymysql.err.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"MariaDB did not start: {(folder / 'log').read_text('utf-8')[-2000:]}") from None
            time.sleep(0.1)
        else:
            return url


def connect(url: str, **more: Any) -> pymysql.Connection:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.removeprefix("/"),
        charset="utf8mb4",
        autocommit=True,
        **more,
    )


@contextlib.contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    name = f"bief_{uuid.uuid4().hex[:12]}"
    execute(url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    execute(url, f"DROP DATABASE {name}")


def execute(url: str, *statements: str) -> None:
    with contextlib.closing(connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _program(*names: str) -> str | None:
    # Debian keeps servers where only root looks.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
