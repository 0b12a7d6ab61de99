"""How tests make a REST source and look at what it reads."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from bief.batches.batch import Position
from bief.ports.runtime import Runtime
from bief.sources.rest import RestOptions, RestSource


@contextlib.contextmanager
def rest(api, stream=None, *, events=None, runtime=None, streams=None, **options):
    given = {
        "base_url": api.url,
        "records": "items",
        "max_attempts": 1,
        "streams": streams or {"list": {"path": "/list", **(stream or {})}},
        **options,
    }
    runtime = runtime or Runtime(folder=Path(), emit=(events if events is not None else []).append)
    source = RestSource("api", RestOptions.model_validate(given), runtime)
    try:
        yield source
    finally:
        source.close()


def ids(batches, column="id"):
    return [value for batch in batches if batch.rows.num_rows for value in batch.rows.column(column).to_pylist()]


def again(position):
    """The position as another process gets it."""
    return Position(json.loads(json.dumps(dict(position.value))), position.complete)
