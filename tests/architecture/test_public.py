"""What other people's code may use: the names of `bief.__all__`, each with a word about what it is."""

from __future__ import annotations

import inspect
import subprocess
import sys

import bief


def test_the_public_names_are_there_and_explained():
    assert "Project" in bief.__all__
    assert sorted(bief.__all__) == list(bief.__all__)
    for name in bief.__all__:
        assert hasattr(bief, name)
        if not name.startswith("__"):
            assert inspect.getdoc(getattr(bief, name))


def test_nothing_else_is_public():
    defined = {name for name, value in vars(bief).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert defined - {"annotations"} <= set(bief.__all__)


def test_importing_bief_imports_no_driver():
    """The command line starts quickly because a driver is imported by whoever uses it."""
    code = "import bief, sys; print(*sorted({'duckdb', 'adbc_driver_postgresql', 'urllib3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
