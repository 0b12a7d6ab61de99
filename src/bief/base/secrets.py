"""Values that cannot be printed, and the filter that keeps them out of every text.

A `Secret` shows itself as `***` wherever Python would print it. A `Redactor` knows all secrets of a project
and takes them out of texts that other people wrote: driver messages, URLs, answers of servers.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

MASK: Final = "***"
# Shorter values would blot out ordinary words; nobody who cares has a two-letter password.
_SHORTEST_REDACTED: Final = 4
_URL_PASSWORD: Final = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)(?P<password>[^\s@]+)@")


class Secret:
    """A text that cannot be printed, compared by accident or written to a log. `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Call it where the text is used and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(min_length=1),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1}


class Redactor:
    """Takes every known secret, and every password inside a URL, out of a text. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def learn(self, secret: Secret | str) -> None:
        """Remember a secret in all the forms in which it may come back: plain, URL-encoded, base64."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        values = {value}
        if "://" in value:
            password = urlsplit(value).password
            values |= {password, unquote(password)} if password else set()
        forms = {form for each in values for form in _forms_of(each)}
        with self._lock:
            known = forms.union(self._forms)
            self._forms = tuple(sorted(known, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """The text with `***` in the place of each secret."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return _URL_PASSWORD.sub(rf"\g<head>{MASK}@", text)

    def blot(self, data: bytes) -> tuple[bytes, int]:
        """The bytes with `*` in the place of each byte of each secret, and how many secrets there were."""
        found = 0
        for form in self._forms:
            coded = form.encode()
            if count := data.count(coded):
                found += count
                data = data.replace(coded, b"*" * len(coded))
        return data, found


def _forms_of(value: str) -> set[str]:
    encoded = base64.b64encode(value.encode()).decode()
    forms = {value, quote(value), quote(value, safe=""), encoded, encoded.rstrip("=")}
    return {form for form in forms if len(form) >= _SHORTEST_REDACTED}
