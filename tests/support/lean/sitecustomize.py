"""Hides what Bief does not depend on from the processes that tests start, as on a machine where only Bief is installed.

Python imports this module by itself where its folder is on PYTHONPATH. pyarrow looks for these libraries as soon as it
makes a value, and would spend a second on each start where they are installed for tests of the Python source.
"""

from __future__ import annotations

import sys

HIDDEN = frozenset({"numpy", "pandas", "polars"})


class _Hiding:
    """An import hook that finds nothing where there is something."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Hiding)
