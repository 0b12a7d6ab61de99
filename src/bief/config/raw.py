"""What the project file says about raw data: `keep_raw` of a pipeline."""

from __future__ import annotations

from pydantic import Field

from bief.config.closed import Closed


class KeepRaw(Closed):
    """How raw data is kept."""

    runs: int = Field(default=10, ge=1, examples=[10])
    """Of how many runs raw data is kept; that of older ones is removed after each run."""
    hidden_columns: bool = False
    """Keep raw data also of streams whose columns are dropped, hashed or masked: raw data shows them as they came."""
