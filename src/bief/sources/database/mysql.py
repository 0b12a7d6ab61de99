"""The source MySQL: MySQL 8 and MariaDB 10.6, and later ones. Found by `ports.registry`, read by `bief.run`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from bief.base.secrets import Secret
from bief.batches.masking import MASKED, SHORTEST_WITH_LAST4, Mask
from bief.ports.runtime import Runtime
from bief.sources.database.mysql_driver import Address, Server, Tls
from bief.sources.database.mysql_session import MysqlSession
from bief.sources.database.mysql_types import Choices, ZeroDates
from bief.sources.database.options import DatabaseOptions, DatabaseStream
from bief.sources.database.source import DatabaseSource


def _address(url: Secret) -> Secret:
    Address.of(url.reveal())
    return url


class MysqlOptions(DatabaseOptions):
    """Tables, views and queries of a MySQL or MariaDB database, read only. Needs `pip install 'bief[mysql]'`."""

    type: Literal["mysql"] = "mysql"
    """The kind of this source, for MariaDB too."""
    url: Annotated[Secret, AfterValidator(_address)] = Field(
        examples=["${SHOP_URL}", "mysql://reader:${MYSQL_PASSWORD}@db.example.org:3306/shop"]
    )
    """Where the database is, with user and password. `?unix_socket=/run/mysqld/mysqld.sock` for a socket."""
    tls: Literal["off", "prefer", "require", "verify"] = "prefer"
    """Whether the connection is encrypted: `verify` also wants a certificate of a known authority for this host, and
    is the only one that keeps others from listening for certain."""
    tls_ca: str | None = Field(default=None, examples=["/etc/ssl/shop-ca.pem"])
    """The certificates of the authorities to trust, for `tls: verify`; those of the system if it is not given."""
    boolean: bool = True
    """Whether tinyint(1) and bit(1) are truth values; `false` makes integers of them. A tinyint(1) of 2 is no truth
    value, and rejects its row."""
    zero_dates: ZeroDates = "reject"
    """What becomes of a date like `0000-00-00` or `2024-05-00`: its row is rejected, or it becomes null."""
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=3600, examples=[10])
    """How long to wait for the server to answer a new connection."""
    read_timeout_seconds: float = Field(default=3600.0, gt=0, examples=[3600])
    """How long to wait for the next rows. An hour, because a server may have to sort a big table first."""


class MysqlSource(DatabaseSource[MysqlOptions]):
    """See `ports.source.Source`."""

    Options: ClassVar[type[MysqlOptions]] = MysqlOptions
    kind: ClassVar[str] = "mysql"

    def __init__(self, name: str, options: MysqlOptions, runtime: Runtime) -> None:
        super().__init__(name, options, runtime)
        address = Address.of(options.url.reveal())
        if address.password is not None:
            runtime.redactor.learn(address.password)
        tls = Tls(options.tls, options.tls_ca)
        self._server = Server(name, address, tls, options.connect_timeout_seconds, options.read_timeout_seconds)
        self._choices = Choices(options.boolean, options.zero_dates)

    def _connect(self) -> MysqlSession:
        return MysqlSession(self._server, self._choices)

    def _hide(self, text_sql: str, mask: Mask | None) -> str:
        text = f"CONVERT({text_sql} USING utf8mb4)"
        if mask is None:
            return f"SHA2({text}, 256)"
        covered = f"CASE WHEN {text_sql} IS NOT NULL THEN '{MASKED}' END"
        if mask == "last4":
            shown = f"CONCAT('{MASKED}', RIGHT({text}, 4))"
            return f"CASE WHEN CHAR_LENGTH({text}) >= {SHORTEST_WITH_LAST4} THEN {shown} ELSE {covered} END"
        if mask == "email":
            shown = f"CONCAT(LEFT({text}, 1), '***@', SUBSTRING_INDEX({text}, '@', -1))"
            return f"CASE WHEN {text} LIKE '_%@%' THEN {shown} ELSE {covered} END"
        return covered

    def _caveats(self, stream: DatabaseStream) -> tuple[str, ...]:
        found = ["tables of an engine without transactions (MyISAM) are not read at one moment"]
        if stream.cursor is not None:
            found.append(f"a row committed later than the lookback after its `{stream.cursor}` was set can be missed")
        return tuple(found)
