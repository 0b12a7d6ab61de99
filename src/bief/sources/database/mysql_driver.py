"""PyMySQL, the driver of the extra `mysql`: connecting, its errors as ours, and rows as columns of bytes.

Called by `mysql_session`. Rows are taken from the stream of packets here, because the driver makes Python objects value
by value, which takes four times as long; its own code reads everything else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from bief.base.secrets import Secret
from bief.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable

Columns = list[list[bytes | None]]
_LARGEST_PACKET: Final = 0xFFFFFF
_EOF, _ERROR = 0xFE, 0xFF
_MAX_EOF_BYTES: Final = 9
_NULL: Final = 251
_SIZE_BYTES: Final = {252: 2, 253: 3, 254: 8}
# Lost, refused by a full or stopping server, killed, timed out, deadlock: https://mariadb.com/kb/en/mariadb-error-codes/
_PASSING: Final = frozenset(
    {1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1317, 1969, 2003, 2006, 2013, 3024}
)
# No such table, no such column, a definition that is another one than at the start of the snapshot.
_CHANGED: Final = frozenset({1054, 1146, 1412})
_ADVICE: Final = {
    1044: "GRANT SELECT on the database to the user of this source.",
    1045: "Correct the user and the password in `url`.",
    1142: "GRANT SELECT on the table to the user of this source.",
    1143: "GRANT SELECT on the columns to the user of this source, or name those that it may read in a `query`.",
    1049: "Correct the name of the database in `url`.",
    3024: "Raise max_execution_time of the server, or read less at once.",
    1969: "Raise max_statement_time of the server, or read less at once.",
}


@dataclass(frozen=True)
class Address:
    """Where a server is. `database` is that of tables without a schema."""

    host: str
    port: int
    user: str
    password: Secret | None
    database: str
    unix_socket: str | None = None

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises ValueError, with a sentence, for anything else than `mysql://user:password@host:3306/database`."""
        parts = urlsplit(url)
        words = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.scheme not in {"mysql", "mariadb"}:
            raise ValueError("the URL begins with mysql:// or mariadb://")
        database = unquote(parts.path.removeprefix("/"))
        if not database or "/" in database:
            raise ValueError("the URL ends with the name of one database")
        if unknown := words.keys() - {"unix_socket"}:
            raise ValueError(f"the URL has an unknown parameter: {', '.join(sorted(unknown))}")
        password = Secret(unquote(parts.password)) if parts.password else None
        user = unquote(parts.username or "")
        return cls(
            parts.hostname or "localhost", parts.port or 3306, user, password, database, words.get("unix_socket")
        )


@dataclass(frozen=True)
class Tls:
    """How the connection is encrypted; see the option `tls`."""

    mode: str
    ca: str | None

    def words(self) -> dict[str, Any]:
        """Arguments of the driver's `connect`."""
        if self.mode == "off":
            return {"ssl_disabled": True}
        if self.mode == "prefer":
            return {}
        if self.mode == "require":
            return {"ssl": {"check_hostname": False, "verify_mode": False}}
        return {"ssl_ca": self.ca, "ssl_verify_cert": True, "ssl_verify_identity": True}


class Server:
    """Makes connections. Raises `SourceRefused` if the driver is not installed."""

    def __init__(self, name: str, address: Address, tls: Tls, connect_timeout: float, read_timeout: float) -> None:
        self.name = name
        self.address = address
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout

    def connect(self) -> Connection:
        """A new connection, in which texts are UTF-8 and moments are UTC."""
        try:
            driver = importlib.import_module("pymysql")
        except ImportError:
            what = "Reading MySQL and MariaDB needs a package that is not installed."
            raise SourceRefused(what, do="Run: pip install 'bief[mysql]'") from None
        address = self.address
        with translated(self.name, driver):
            found = driver.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password.reveal() if address.password else "",
                database=address.database,
                unix_socket=address.unix_socket,
                charset="utf8mb4",
                use_unicode=True,
                conv={},
                connect_timeout=self._connect_timeout,
                read_timeout=self._read_timeout,
                max_allowed_packet=2**30,
                autocommit=True,
                **self._tls.words(),
            )
            return Connection(self.name, found, driver)


class Connection:
    """One connection. Values come as texts, and those of a stream as bytes."""

    def __init__(self, name: str, connection: Any, driver: Any) -> None:
        self._name = name
        self._connection = connection
        self._driver = driver

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a statement, as texts."""
        return list(self.described(sql)[0])

    def described(self, sql: str) -> tuple[list[tuple[Any, ...]], list[Any]]:
        """All rows of a statement, and the descriptors of its columns."""
        with translated(self._name, self._driver), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()), list(getattr(self._connection._result, "fields", []))  # noqa: SLF001 - not offered

    def stream(self, sql: str, most_rows: int) -> Iterator[Columns]:
        """The rows of a SELECT as they come, column by column, `most_rows` at a time. Ended early, the connection is
        gone: the server would send all the rest."""
        with translated(self._name, self._driver):
            self._connection.query(sql, unbuffered=True)
            result = self._connection._result  # noqa: SLF001 - see the head of this file
            result.unbuffered_active = False
        is_over = False
        try:
            while not is_over:
                with translated(self._name, self._driver):
                    columns, is_over = self._columns(result.field_count, most_rows)
                if columns and columns[0]:
                    yield columns
        finally:
            if not is_over:
                self.close()

    def _columns(self, count: int, most_rows: int) -> tuple[Columns, bool]:
        """The next rows, and whether they were the last ones."""
        columns: Columns = [[] for _ in range(count)]
        appends = [column.append for column in columns]
        read = self._connection._rfile.read  # noqa: SLF001 - see the head of this file
        for _ in range(most_rows):
            data = self._packet(read)
            if data[0] == _EOF and len(data) < _MAX_EOF_BYTES:
                return columns, True
            if data[0] == _ERROR:
                self._driver.err.raise_mysql_exception(data)
            at = 0
            for append in appends:
                size = data[at]
                at += 1
                if size == _NULL:
                    append(None)
                    continue
                if size > _NULL:
                    width = _SIZE_BYTES[size]
                    size = int.from_bytes(data[at : at + width], "little")
                    at += width
                append(data[at : at + size])
                at += size
        return columns, False

    def _packet(self, read: Any) -> bytes:
        """One row: a packet, or several if it is large."""
        parts: list[bytes] = []
        size = _LARGEST_PACKET
        while size == _LARGEST_PACKET:
            head = read(4)
            size = int.from_bytes(head[:3], "little")
            data = read(size) if len(head) == 4 else b""  # noqa: PLR2004 - three bytes of size, one of number
            if len(head) < 4 or len(data) < size:  # noqa: PLR2004 - as above
                raise self._driver.err.OperationalError(2013, "Lost connection to MySQL server during query")
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of the connection, whatever it is doing; can be called twice."""
        with suppress(Exception):
            self._connection._force_close()  # noqa: SLF001 - the usual way waits for all rows that are still to come


@contextmanager
def translated(name: str, driver: Any) -> Iterator[None]:
    """Errors of the driver as ours."""
    try:
        yield
    except driver.err.Error as error:
        raise _as_source(name, error) from None
    except (OSError, EOFError) as error:
        raise SourceUnavailable(f"{error or type(error).__name__}.", where=name) from None


def _as_source(name: str, error: Any) -> SourceError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    message = str(error.args[1] if len(error.args) > 1 else error).rstrip(".")
    what, do = f"{message} (error {code}).", _ADVICE.get(code, "")
    if code in _PASSING:
        return SourceUnavailable(what, where=name, do=do)
    if code in _CHANGED:
        return SourceChanged(what, where=name, do=do)
    return SourceRefused(what, where=name, do=do)
