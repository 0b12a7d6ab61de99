"""Raw records with what the source knows of them and does not stand in them: the file, the record they belong to.

Called by sources that add columns: a rejected row that comes back from the quarantine must bring these with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime


def with_members(raw: str, members: Mapping[str, str | int | datetime | None]) -> str:
    """The text of a JSON object with further members; any other text as it is. Times are in ISO 8601."""
    body = raw.lstrip()
    if not members or not body.startswith("{"):
        return raw
    rest = body[1:].lstrip()
    given = json.dumps(
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in members.items()},
        ensure_ascii=False,
    )
    return f"{given[:-1]}{'' if rest.startswith('}') else ', '}{rest}"
