"""What may be known of a URL: its origin, and its text without credentials. Used all over `bief.http`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

Params = Sequence[tuple[str, str]]
_PORTS: Final = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: credentials given to one origin are shown to no other. Raises ValueError."""
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower())


def same_origin(one: str, other: str) -> bool:
    """Whether both URLs lead to the same server by the same scheme; False for a URL that cannot be read."""
    try:
        return origin(one) == origin(other)
    except ValueError:
        return False


def joined(base: str, path: str) -> str:
    """A path below a base URL; unlike `urljoin`, `/customers` stays below the path of the base."""
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base


def resolved(base: str, link: str) -> str:
    """A link as a browser would follow it from `base`, without its fragment. Raises ValueError."""
    return urlunsplit(urlsplit(urljoin(base, link.strip()))._replace(fragment=""))


def with_params(url: str, params: Params) -> str:
    """The URL with more parameters in its query. What the query already names keeps its value."""
    if not params:
        return url
    parts = urlsplit(url)
    named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = urlencode([(name, value) for name, value in params if name not in named], quote_via=quote)
    query = "&".join(part for part in (parts.query, added) if part)
    return urlunsplit(parts._replace(query=query))


def without_params(url: str, names: Iterable[str]) -> str:
    """The URL without the named parameters and without user and password."""
    parts = urlsplit(url)
    gone = set(names)
    query = parts.query
    if gone:
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in gone]
        query = urlencode(kept, quote_via=quote)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


def path_of(url: str) -> str:
    """The URL from its path on: what is remembered of a link, as its origin is known."""
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))
