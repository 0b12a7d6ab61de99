"""Where a request goes, in words: makes every error of the HTTP toolkit, so that none of them can carry a secret.

Used by `http.client`, `http.transport`, `http.oauth` and the sources on top of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bief.base.secrets import Redactor
from bief.errors import SourceMisread, SourceRefused, SourceUnavailable

_QUOTED_CHARACTERS: Final = 200
_URL_CHARACTERS: Final = 300
# Control characters, and the marks that turn the direction of text: both can make a terminal or a log lie.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters written as escapes (`\\x1b`)."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


@dataclass(frozen=True)
class Place:
    """One request: whose it is, and its method and URL without credentials."""

    owner: str
    method: str
    url: str
    redactor: Redactor

    def unavailable(self, what: str, do: str = "", *, retry_after_seconds: float | None = None) -> SourceUnavailable:
        return SourceUnavailable(
            self.clean(what), where=self.where, do=self.clean(do), retry_after_seconds=retry_after_seconds
        )

    def refused(self, what: str, do: str = "") -> SourceRefused:
        return SourceRefused(self.clean(what), where=self.where, do=self.clean(do))

    def misread(self, what: str, do: str = "") -> SourceMisread:
        return SourceMisread(self.clean(what), where=self.where, do=self.clean(do))

    @property
    def where(self) -> str:
        url = self.clean(self.url)
        shown = url if len(url) <= _URL_CHARACTERS else f"{url[:_URL_CHARACTERS]}…"
        return f"{self.owner}: {self.method} {shown}"

    def clean(self, text: str) -> str:
        return printable(self.redactor.clean(text))

    def quote(self, body: bytes) -> str:
        """The first characters of a body, as they may be shown.

        Cleaned before it is cut: half a secret at the end would not be recognised any more.
        """
        head = body[: 20 * _QUOTED_CHARACTERS].decode("utf-8", "replace").strip()
        text = self.redactor.clean(head)[:_QUOTED_CHARACTERS]
        return f"“{printable(text)}”" if text else "an empty body"
