"""Arrow as this floor uses it: columns of any type, and functions that take and give them.

Imported by `batches` and `guard`. The stubs of pyarrow want to know the element type of every array, which is just
what these modules find out at run time; so they are told nothing, here, once.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute
import pyarrow.json

# A `pyarrow.ChunkedArray` of any type.
Column: TypeAlias = Any
arrow: Final[Any] = pa
pc: Final[Any] = pyarrow.compute
arrow_json: Final[Any] = pyarrow.json
