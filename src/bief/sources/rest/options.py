"""What the project file says about a REST source. Read by `RestSource`, validated by `bief check`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from bief.config.closed import Closed
from bief.http.auth import AuthOptions, HeaderName, HeaderValue, NoAuth
from bief.http.limits import RateLimit
from bief.http.paging_options import Pagination, SinglePage
from bief.http.transport import HttpLimits
from bief.sources.rest.stream_options import FieldPath, RecordPath, RestStream, Scalar

_BASE_URL: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s?#]*)?", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def _base_url(value: str) -> str:
    if value and not _BASE_URL.fullmatch(value):
        raise ValueError("looks like https://api.example.com/v2, without user, password and query (see `auth`)")
    return value.rstrip("/")


class ErrorBody(Closed):
    """How the API reports an error in a body that comes with status 200."""

    when: FieldPath = Field(examples=["error", "status.failed"])
    """Path of a field that is there, and neither null, false, 0 nor empty, when something went wrong."""


class RestOptions(Closed):
    """A web API that answers in JSON."""

    type: Literal["rest"] = "rest"
    """The kind of this source."""
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(default="", examples=["https://api.example.com/v2"])
    """The address that all paths are below. May be empty when there is a `simulator`."""
    simulator: str | None = Field(default=None, examples=["simulator.py"])
    """A Python script of the project that plays the API, started when `base_url` is empty: `python simulator.py
    --port 0`. It writes `ready http://127.0.0.1:PORT` as a line when it listens, and ends at the end of its input."""
    auth: AuthOptions = Field(default=NoAuth(), examples=[{"type": "bearer", "token": "${API_TOKEN}"}])
    """Who we are."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, examples=[{"Accept-Language": "en"}])
    """Headers of every request. Credentials belong into `auth`."""
    params: dict[str, Scalar] = Field(default={}, examples=[{"version": "2024-01"}])
    """Query parameters of every request. Credentials belong into `auth`."""
    rate_limit: RateLimit | None = Field(default=None, examples=[{"requests": 25, "per_seconds": 5}])
    """How many requests the API allows. All streams share it. What the server says about it is obeyed in any case."""
    pagination: Pagination = Field(
        default=SinglePage(), examples=[{"type": "page", "size_param": "limit", "size": 100}]
    )
    """How lists are paged, for all streams that do not say otherwise."""
    records: RecordPath = Field(default="", examples=["items", "data.rows"])
    """Path of the list of records in a body, for all streams that do not say otherwise. Empty: the body is the list,
    or one record."""
    parallel_requests: int = Field(default=4, ge=1, le=64, examples=[8])
    """Requests of one stream under way at the same time, where the API allows to ask for pages ahead."""
    limits: HttpLimits = HttpLimits()
    """How long an answer may take and how large it may be."""
    max_attempts: int = Field(default=6, ge=1, le=100, examples=[3])
    """Tries for one request, the first one included."""
    errors: ErrorBody | None = None
    """How the API reports errors with status 200. If it is not given, these bodies are errors: one with `errors` that
    are not empty (GraphQL), and one with `error` and without the list of records."""
    defaults: RestStream | None = Field(default=None, examples=[{"path": "/{stream}", "primary_key": "id"}])
    """What every stream has that does not say otherwise itself. `{stream}` stands for the name of the stream in each
    text; a stream that shall be without one of them writes `null`."""
    streams: dict[str, RestStream] = Field(min_length=1, examples=[{"customers": {"path": "/customers"}}])
    """The lists to read, by name."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        defaults, streams = (data.get("defaults"), data.get("streams")) if isinstance(data, dict) else (None, None)
        if not isinstance(defaults, dict) or not isinstance(streams, dict) or not _is_stream(defaults):
            return data
        return {**data, "streams": {name: _defaulted(name, stream, defaults) for name, stream in streams.items()}}

    @model_validator(mode="after")
    def _fits_together(self) -> RestOptions:
        if not self.base_url and not self.simulator:
            raise PydanticCustomError("base_url", "needs `base_url`, or a `simulator` to start in its place")
        for name, stream in self.streams.items():
            problem = _problem_of(self, name, stream)
            if problem:
                raise PydanticCustomError("stream", "{problem}", {"problem": f"stream '{name}': {problem}"})
        return self


def _is_stream(defaults: dict[str, Any]) -> bool:
    """Whether the defaults are right by themselves: if not, one message about them is enough."""
    try:
        RestStream.model_validate(defaults)
    except ValidationError:
        return False
    return True


def _defaulted(name: str, stream: Any, defaults: dict[str, Any]) -> Any:
    """A stream with the defaults that it does not replace."""
    if stream is not None and not isinstance(stream, dict):
        return stream
    merged = {**_named(name, defaults), **(stream or {})}
    return {key: value for key, value in merged.items() if value is not None}


def _named(name: str, value: Any) -> Any:
    """The same value with the name of the stream in the place of `{stream}`."""
    if isinstance(value, dict):
        return {key: _named(name, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(name, inner) for inner in value]
    return value.replace("{stream}", name) if isinstance(value, str) else value


def _problem_of(options: RestOptions, name: str, stream: RestStream) -> str:
    """What does not fit in one stream, or nothing."""
    ways = [stream.incremental, stream.change_feed, stream.for_each]
    if sum(way is not None for way in ways) > 1:
        return "`incremental`, `change_feed` and `for_each` exclude each other"
    if stream.body is not None and stream.method != "POST":
        return "a `body` needs `method: POST`"
    if (stream.pagination or options.pagination).model_dump().get("params_in") == "body" and stream.method != "POST":
        return "paging parameters in the body need `method: POST`"
    if stream.change_feed and not stream.primary_key:
        return "`change_feed` needs `primary_key`"
    if stream.change_feed and len(stream.primary_key) > 1:
        return "`change_feed` needs a `primary_key` of one column"
    return _problem_of_for_each(options, name, stream)


def _problem_of_for_each(options: RestOptions, name: str, stream: RestStream) -> str:
    wanted = set(_PLACEHOLDER.findall(stream.path))
    if stream.for_each is None:
        return f"nothing fills {{{min(wanted)}}} in `path`; `for_each` would" if wanted else ""
    parent = options.streams.get(stream.for_each.stream)
    if parent is None or stream.for_each.stream == name:
        return f"`for_each.stream` names '{stream.for_each.stream}', which is no other stream of this source"
    if parent.for_each is not None:
        return f"`for_each.stream` names '{stream.for_each.stream}', which is read by `for_each` itself"
    unknown = sorted(wanted - {stream.for_each.alias})
    if unknown:
        return f"nothing fills {{{unknown[0]}}} in `path`; `for_each.as` is '{stream.for_each.alias}'"
    uses = f"{{{stream.for_each.alias}}}"
    if not any(uses in text for text in _texts([stream.path, stream.params, stream.body])):
        return f"{uses} is used neither in `path` nor in `params` nor in `body`"
    return ""


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each)]
