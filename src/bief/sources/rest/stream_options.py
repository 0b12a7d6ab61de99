"""What the project file says about one stream of a REST source."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from bief.config.closed import Closed
from bief.config.streams import StreamOptions
from bief.http.paging_options import Pagination

Scalar = str | int | float | bool
_PATH: Final = re.compile(r"(/[^\s?#\\]*)?")
_FIELD: Final = re.compile(r"[^.]+(\.[^.]+)*")


def _path(value: str) -> str:
    if not _PATH.fullmatch(value) or ".." in value.split("/"):
        raise ValueError("a path begins with '/' and has no query: parameters stand in `params`")
    return value


def _field(value: str) -> str:
    if value and not _FIELD.fullmatch(value):
        raise ValueError("a path of keys looks like `items` or `data.rows`")
    return value


UrlPath = Annotated[str, AfterValidator(_path), Field(examples=["/customers"])]
FieldPath = Annotated[str, AfterValidator(_field), Field(examples=["id", "meta.updated_at"])]
RecordPath = Annotated[str, AfterValidator(_field), Field(examples=["items", "data.rows"])]


class Incremental(Closed):
    """Reads only what has changed, by a field that grows with each change of a record."""

    cursor: FieldPath = Field(examples=["updated_at"])
    """The field of a record with the number or ISO time of its last change."""
    filter: dict[str, Scalar] = Field(default={}, examples=[{"updated_since": "$cursor"}])
    """Parameters that ask for changed records only. `$cursor` in any text, also in `body` of the stream, stands for
    where the last round ended; a parameter that holds it is left out as long as there is no such place."""
    lookback_seconds: float | None = Field(default=None, ge=0, examples=[3600])
    """How far before that place a round begins, for records that become visible later than their time says. 600 if it
    is not given and the cursor is a time; a cursor that is a number is taken back only if this is given."""
    order: Literal["ascending", "unordered"] = "unordered"
    """Whether the API gives records in the order of the cursor. If so, a round that was cut off and whose page can no
    longer be asked for goes on from the greatest cursor read; if not, it begins again."""
    initial: str | None = Field(default=None, examples=["2024-01-01T00:00:00Z"])
    """Where the very first round begins; everything if it is not given."""
    format: str | None = Field(default=None, examples=["%Y-%m-%d", "epoch", "epoch_ms"])
    """How a time is written in the filter: a `strftime` pattern, `epoch` or `epoch_ms`. As the API wrote it if it is
    not given. A pattern that is less precise rounds down, so nothing is missed."""


class Details(Closed):
    """How changed records are fetched by their ids."""

    path: UrlPath | None = None
    """Where to ask; the path of the stream if it is not given."""
    param: str = Field(examples=["filter", "ids"])
    """The parameter that names the ids."""
    value: str = Field(default="$csv", examples=['[{"field":"id","operator":"in","value":$ids}]', "$csv"])
    """Its text. `$ids` stands for the ids as a JSON list, `$csv` for the ids with commas between them."""
    batch: int = Field(default=100, ge=1, le=10_000, examples=[100])
    """Most ids in one request."""


class ChangeFeed(Closed):
    """Reads only what has changed, from a list of changes that the API keeps. Brings deletes too.

    The first round reads everything; later rounds read the list of changes and fetch the changed records.
    """

    path: UrlPath = Field(examples=["/changelogs/customers"])
    """Where the list of changes is, oldest change first."""
    since_param: str = Field(examples=["start_date"])
    """The parameter that carries the time from which changes are wanted."""
    params: dict[str, Scalar] = Field(default={}, examples=[{"limit": 1000}])
    """More parameters of this list."""
    records: RecordPath | None = None
    """Path of the list of changes in the body; as in the source if it is not given."""
    pagination: Pagination | None = None
    """How this list is paged; as in the source if it is not given."""
    id: FieldPath = "id"
    """The field of a change with the id of the record."""
    operation: FieldPath = Field(default="operation", examples=["operation"])
    """The field of a change that says what happened."""
    deleted: str = "delete"
    """The value of that field for a record that was deleted."""
    time: FieldPath = Field(examples=["processed_at"])
    """The field of a change with its time."""
    too_old_status: int | None = Field(default=None, ge=400, le=499, examples=[422])
    """The status by which the API says that it does not keep changes for so long: everything is read again then."""
    start_with_cursor: bool = True
    """Whether `since_param` is sent along with the cursor of a page. Some APIs refuse both together."""
    margin_seconds: float = Field(default=60, ge=0, le=86400, examples=[300])
    """How far before the server's time at the start of a full read the changes after it begin."""
    details: Details
    """How the changed records are fetched."""


class ForEach(Closed):
    """Asks once for each record of another stream."""

    stream: str = Field(examples=["customers"])
    """The other stream of this source. It is read in full each time."""
    key: FieldPath = Field(default="id", examples=["id"])
    """The field of its records that goes into the request."""
    alias: str = Field(alias="as", pattern=r"^[a-z][a-z0-9_]{0,62}\Z", examples=["customer_id"])
    """The name of that value: `{customer_id}` in `path`, `params` and `body`, and a column of this stream's table."""


class RestStream(StreamOptions):
    """One list of records."""

    path: UrlPath = ""
    """Where the list is, below `base_url`."""
    method: Literal["GET", "POST"] = "GET"
    """The HTTP method. With POST nothing is changed on the server: it is for APIs that take questions in a body."""
    params: dict[str, Scalar] = Field(default={}, examples=[{"status": "open"}])
    """Query parameters, sent with every page."""
    body: dict[str, Any] | None = Field(default=None, examples=[{"query": "{ users { id } }", "variables": {}}])
    """The JSON body of each request, for POST: a question in the API's own words, or GraphQL."""
    records: RecordPath | None = None
    """Path of the list of records in the body; as in the source if it is not given."""
    pagination: Pagination | None = None
    """How this list is paged; as in the source if it is not given."""
    incremental: Incremental | None = None
    """Read only what has changed, by a field of the records."""
    change_feed: ChangeFeed | None = None
    """Read only what has changed, from a list of changes."""
    for_each: ForEach | None = None
    """Ask once for each record of another stream."""
    batch_rows: int = Field(default=20_000, ge=1, le=1_000_000, examples=[10_000])
    """Most records in one load; a load also ends after five seconds. 20,000 rows are written while the next ones are
    fetched; larger loads leave the database idle at first and the network at the end, and take more memory."""
