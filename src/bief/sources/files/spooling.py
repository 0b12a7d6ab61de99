"""A place for files that must lie on this machine while they are read: fetched ones, and decompressed ones.

It is in the project's own folder and not in the system's, which is memory on many machines. Files go as soon as they
were read, also after errors; those of a process that was killed go with the next one that finds them old.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_OLD_SECONDS: Final = 2 * 24 * 3600


class Spool:
    """A folder for temporary files, made when the first one is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A new folder of one's own, gone with all that is in it when the block ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        own = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _sweep(self) -> None:
        for left in self._folder.iterdir():
            try:
                age = time.time() - max(each.stat().st_mtime for each in [left, *left.iterdir()])
            except OSError:
                continue
            if age > _OLD_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
