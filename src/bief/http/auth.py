"""Who we are, for a server: options of a source (`auth:`) and what they add to a request. Used by `http.client`."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Protocol

from pydantic import AfterValidator, Field

from bief.base.secrets import Secret
from bief.config.closed import Closed

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Tabs are legal, but nobody wants one there.
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\x80-\xff]*")


def header_name(value: str) -> str:
    """The name, if it can be the name of a header. Raises ValueError."""
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError("a header name has letters, digits and hyphens only")
    return value


def header_value(value: str) -> str:
    """The value, if it cannot smuggle in another header. Raises ValueError."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("a header value has no line breaks, no control characters and only Latin letters")
    return value


def _secret_header_value(value: Secret) -> Secret:
    header_value(value.reveal())
    return value


def _no_secret_in_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", value):
        raise ValueError("an address looks like https://host/path, without user, password and query")
    return value


HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]
HeaderSecret = Annotated[Secret, AfterValidator(_secret_header_value)]
Address = Annotated[str, AfterValidator(_no_secret_in_url)]


class NoAuth(Closed):
    """The API is open to everybody."""

    type: Literal["none"] = "none"
    """No credentials."""


class BearerAuth(Closed):
    """A token in the header `Authorization: Bearer …`."""

    type: Literal["bearer"]
    """A token that does not change."""
    token: HeaderSecret = Field(examples=["${API_TOKEN}"])
    """The token."""


class BasicAuth(Closed):
    """User name and password (HTTP basic authentication)."""

    type: Literal["basic"]
    """User name and password."""
    username: str = Field(examples=["reader"])
    """The user name."""
    password: Secret = Field(examples=["${API_PASSWORD}"])
    """The password."""


class ApiKeyAuth(Closed):
    """A key in a header or in a query parameter."""

    type: Literal["api_key"]
    """A key that does not change."""
    key: HeaderSecret = Field(examples=["${API_KEY}"])
    """The key."""
    header: HeaderName = Field(default="X-Api-Key", examples=["X-Api-Key"])
    """The header that carries the key, unless `param` is set."""
    param: str | None = Field(default=None, examples=["api_key"])
    """The query parameter that carries the key. A header is better: servers write URLs into their logs."""


class OAuth2Auth(Closed):
    """An access token that is fetched, and fetched again when it expires."""

    type: Literal["oauth2"]
    """OAuth 2."""
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    """How the token is got: for the client itself, or for a user who once agreed and left a refresh token."""
    token_url: Address = Field(examples=["https://auth.example.com/oauth/token"])
    """Where tokens are given out."""
    client_id: str = Field(examples=["bief"])
    """The public name of the client."""
    client_secret: Secret | None = Field(default=None, examples=["${CLIENT_SECRET}"])
    """The client's password, if it has one."""
    client_auth: Literal["body", "basic"] = "body"
    """Where the client's name and password are sent: in the form, or as HTTP basic authentication."""
    refresh_token: Secret | None = Field(default=None, examples=["${REFRESH_TOKEN}"])
    """The refresh token, for that grant. Some servers replace it at each use: the new one is kept for the life of the
    process and lost with it, so with such a server a second run needs a new refresh token here. Ask the API for
    refresh tokens that do not rotate, or use client_credentials."""
    scope: str = Field(default="", examples=["invoices:read"])
    """The rights to ask for, separated by spaces."""
    params: dict[str, str] = Field(default={}, examples=[{"audience": "https://api.example.com"}])
    """More fields of the form."""
    expiry_margin_seconds: float = Field(default=60, ge=0, le=3600, examples=[30])
    """How long before its end a token is replaced."""


AuthOptions = Annotated[NoAuth | BearerAuth | BasicAuth | ApiKeyAuth | OAuth2Auth, Field(discriminator="type")]


@dataclass(frozen=True)
class Credentials:
    """What is added to a request. Never shown."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


class Authorizer(Protocol):
    """Gives the credentials for each request."""

    @property
    def params(self) -> tuple[str, ...]:
        """Query parameters that carry credentials: they are taken out of every URL that is shown or remembered."""
        ...

    @property
    def advice(self) -> str:
        """Where to look when the server does not accept the credentials."""
        ...

    def credentials(self, owner: str) -> Credentials:
        """The credentials to use now. `owner` (`source.stream`) is named in errors. Raises SourceError."""
        ...

    def renewed(self, refused: Credentials, owner: str) -> Credentials | None:
        """Others in the place of credentials that the server refused; None if there are no others."""
        ...


class FixedAuthorizer:
    """Credentials that stay the same for the life of the process."""

    def __init__(self, options: NoAuth | BearerAuth | BasicAuth | ApiKeyAuth, source: str) -> None:
        self._credentials = _fixed(options)
        self.params = tuple(self._credentials.params)
        self.advice = _advice(options, source)

    def credentials(self, owner: str) -> Credentials:
        return self._credentials

    def renewed(self, refused: Credentials, owner: str) -> Credentials | None:
        return None


def _fixed(options: NoAuth | BearerAuth | BasicAuth | ApiKeyAuth) -> Credentials:
    match options:
        case NoAuth():
            return Credentials()
        case BearerAuth():
            return Credentials({"Authorization": f"Bearer {options.token.reveal()}"})
        case BasicAuth():
            return Credentials({"Authorization": basic(options.username, options.password.reveal())})
        case ApiKeyAuth(param=None):
            return Credentials({options.header: options.key.reveal()})
        case ApiKeyAuth():
            return Credentials({}, {str(options.param): options.key.reveal()})


def basic(username: str, password: str) -> str:
    """The value of the header `Authorization` for a user name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _advice(options: NoAuth | BearerAuth | BasicAuth | ApiKeyAuth, source: str) -> str:
    match options:
        case NoAuth():
            return f"The API wants credentials: add `auth` to source '{source}' in bief.yaml."
        case BearerAuth():
            what = "`auth.token`"
        case BasicAuth():
            what = "`auth.username` and `auth.password`"
        case ApiKeyAuth():
            what = "`auth.key`"
    return f"Check {what} of source '{source}' in bief.yaml: the credentials are wrong or have expired."
