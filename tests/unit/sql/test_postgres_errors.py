"""What the driver's words mean."""

from __future__ import annotations

import pytest

from bief.errors import DestinationRefused, DestinationUnavailable, RowsRefused
from bief.sql.postgres.errors import is_lost, translated

CONNECT = 'IO: [libpq] Failed to connect: connection to server at "db" (10.0.0.1), port 5432 failed: '


@pytest.mark.parametrize(
    ("sqlstate", "message", "kind", "do"),
    [
        (None, CONNECT + 'FATAL:  password authentication failed for user "l"', DestinationRefused, "the password"),
        (None, CONNECT + 'FATAL:  role "l" does not exist', DestinationRefused, "Check the user"),
        (None, CONNECT + 'FATAL:  database "d" does not exist', DestinationRefused, "Create the database"),
        (None, CONNECT + "FATAL:  sorry, too many clients already", DestinationUnavailable, "max_connections"),
        (None, CONNECT + "Connection refused", DestinationUnavailable, "server runs"),
        ("42501", "ERROR:  permission denied for schema x", DestinationRefused, "Grant"),
        ("53100", "ERROR:  could not extend file: No space left on device", DestinationRefused, "Free space"),
        ("55P03", "ERROR:  canceling statement due to lock timeout", DestinationUnavailable, "tried again"),
        ("40P01", "ERROR:  deadlock detected", DestinationUnavailable, ""),
        ("57P01", "FATAL:  terminating connection due to administrator command", DestinationUnavailable, ""),
        ("23505", "ERROR:  duplicate key value", RowsRefused, ""),
        (None, "INVALID_ARGUMENT: cannot bind", DestinationRefused, ""),
    ],
)
def test_each_error_is_transient_or_not_and_says_what_to_do(sqlstate, message, kind, do):
    error = translated(sqlstate, message, where="warehouse")
    assert type(error) is kind
    assert do in error.do
    assert str(error).startswith("warehouse: ")


def test_the_driver_s_wrapping_goes():
    message = (
        'NOT_FOUND: Failed to prepare query: ERROR:  relation "nope" does not exist\nLINE 1: select * from nope\n'
        "                      ^\n\nQuery was: select * from nope. SQLSTATE: 42P01"
    )
    assert translated("42P01", message, where="w").what == 'relation "nope" does not exist.'


def test_an_error_that_a_server_wrote_is_no_lost_connection():
    assert is_lost("08006", "") is True
    assert is_lost(None, "server closed the connection unexpectedly") is True
    assert is_lost("23503", "connection to the table failed") is False
