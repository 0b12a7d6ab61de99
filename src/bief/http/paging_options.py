"""How an API hands out a long list: the option `pagination` of sources. `http.paging` does what is declared here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bief.config.closed import Closed

BodyPath = Annotated[str, Field(min_length=1, examples=["meta.total"])]


class SinglePage(Closed):
    """The whole list comes in one answer."""

    type: Literal["single"] = "single"
    """One request, one answer."""


class _Sized(Closed):
    size: int | None = Field(default=None, ge=1, le=1_000_000, examples=[100])
    """Records per page to ask for. The largest that the API allows is the fastest."""
    size_param: str | None = Field(default=None, examples=["limit"])
    """The parameter that carries `size`."""
    params_in: Literal["query", "body"] = "query"
    """Where the paging parameters go. In the body a dotted name is a path: `variables.first`."""


class PageNumber(_Sized):
    """Pages are numbered. A row that moves to an earlier page while the list is read can be missed."""

    type: Literal["page"]
    """Page numbers."""
    page_param: str = Field(default="page", examples=["page"])
    """The parameter that carries the number of the page."""
    first: int = Field(default=1, ge=0, examples=[0])
    """Number of the first page."""
    has_more: BodyPath | None = None
    """Path of the field that says whether another page follows. Without it an empty page ends the list."""
    total_pages: BodyPath | None = None
    """Path of the field with the number of pages."""
    total_items: BodyPath | None = None
    """Path of the field with the number of records in all pages."""


class Offset(_Sized):
    """Pages begin after so many records. A row that moves forward while the list is read can be missed."""

    type: Literal["offset"]
    """Offsets."""
    offset_param: str = Field(default="offset", examples=["offset", "skip"])
    """The parameter that carries the number of records to leave out."""
    has_more: BodyPath | None = None
    """Path of the field that says whether another page follows. Without it an empty page ends the list."""
    total_items: BodyPath | None = None
    """Path of the field with the number of records in all pages."""


class Cursor(_Sized):
    """Each page names the place where the next one begins."""

    type: Literal["cursor"]
    """Cursors."""
    cursor_param: str = Field(examples=["cursor"])
    """The parameter that carries the cursor."""
    next_cursor: BodyPath = Field(examples=["next_cursor", "meta.next"])
    """Path of the field with the cursor of the next page; null, empty or missing ends the list."""
    has_more: BodyPath | None = None
    """Path of the field that says whether another page follows. It wins over a cursor that is there all the same."""
    total_items: BodyPath | None = None
    """Path of the field with the number of records in all pages: for the progress display."""


class LinkHeader(_Sized):
    """Each answer has a header `Link: <…>; rel="next"` until the list ends."""

    type: Literal["link"]
    """Link headers."""
    rel: str = "next"
    """The relation that leads to the next page."""


class NextUrl(_Sized):
    """Each page holds the address of the next one."""

    type: Literal["next_url"]
    """Addresses in the body."""
    next_url: BodyPath = Field(examples=["links.next"])
    """Path of the field with the address of the next page; null, empty or missing ends the list."""
    total_items: BodyPath | None = None
    """Path of the field with the number of records in all pages: for the progress display."""


Pagination = Annotated[
    SinglePage | PageNumber | Offset | Cursor | LinkHeader | NextUrl,
    Field(discriminator="type"),
]
