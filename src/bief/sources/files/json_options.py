"""What the project file says about JSON documents."""

from __future__ import annotations

from pydantic import Field

from bief.config.closed import Closed


class JsonOptions(Closed):
    """Where the records of a JSON document are."""

    records: str = Field(default="", examples=["items", "data.rows"])
    """Path of the list of records. Empty: the document is the list, or one record."""
    max_document_bytes: int = Field(default=512 << 20, gt=0, examples=[1073741824])
    """The largest document. A document is held in memory as a whole; JSON lines have no such limit."""
