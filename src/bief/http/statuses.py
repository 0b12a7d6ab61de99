"""The table of HTTP statuses: which of them may be tried again, and what to tell the user. Read by `http.client`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
EMPTY: Final = frozenset({204, 205})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# After these the request is repeated as a GET without its body, as browsers do.
TURNS_INTO_GET: Final = frozenset({301, 302, 303})

_SERVER_TROUBLE: Final = "The trouble is on the server's side: run again later, and tell its operator if it stays."
_ADVICE: Final[dict[int, str]] = {
    206: "Nobody asked for a part of the answer: look for a `Range` header in `headers`.",
    304: "Nobody asked whether the answer has changed: look for `If-…` headers in `headers`.",
    400: "Compare `path`, `params` and `body` of the stream with the documentation of the API.",
    402: "The account of this API has to be paid for or has no quota left.",
    403: "The credentials are known but may not read this: give them the right (scope) to, or leave the stream out.",
    404: "Check `base_url` of the source and `path` of the stream.",
    405: "Check `method` of the stream.",
    406: "Set the `Accept` header that this API wants in `headers`.",
    407: "The proxy wants credentials: write them into HTTPS_PROXY or HTTP_PROXY.",
    408: _SERVER_TROUBLE,
    409: "Something else is using this resource in a way that excludes reading it.",
    410: "The API does not offer this any more: read its documentation for what took its place.",
    413: "The request is too large: take a smaller `size` or `batch`.",
    414: "The URL is too long: take a smaller `batch`, or put the values into `body`.",
    415: "Set the `Content-Type` header that this API wants in `headers`.",
    422: "The server does not accept a value: compare `params` and `body` of the stream with its documentation.",
    425: _SERVER_TROUBLE,
    426: "The server wants https or a newer protocol: check `base_url`.",
    429: "Lower `rate_limit` of the source to what the API allows for these credentials.",
    451: "The server may not give this out for legal reasons.",
    500: _SERVER_TROUBLE,
    501: "The server does not know this method: check `method` of the stream.",
    502: _SERVER_TROUBLE,
    503: _SERVER_TROUBLE,
    504: "The answer took the server too long: take a smaller page `size`.",
}


def advice(status: int) -> str:
    """One sentence about what to do."""
    if status in _ADVICE:
        return _ADVICE[status]
    if status in REDIRECTS:
        return "Put the address that the server leads to into `base_url`."
    return "Look this status up in the documentation of the API."


def named(status: int) -> str:
    """`404 Not Found`, or just the number of a status that has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
