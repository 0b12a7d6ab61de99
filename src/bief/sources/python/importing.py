"""Importing the Python file of a source: as a fresh module, with the modules beside it, and without a trace.

Called by `source` when a stream is checked or read, never when the project is loaded.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Final

# `sys.path` and `sys.modules` belong to the whole process.
_LOCK: Final = threading.Lock()
_NAME: Final = "bief_project_file"


class Code:
    """One Python file, imported when it is first asked for and then kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._module: ModuleType | None = None

    def module(self) -> ModuleType:
        """The file as a module. Raises whatever the file raises."""
        with _LOCK:
            if self._module is None:
                self._module = _imported(self._path)
            return self._module


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    before = set(sys.modules)
    sys.path.insert(0, folder)
    # Dataclasses, among others, look their module up while it is being made.
    sys.modules[_NAME] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
        # Another source may have other modules of the same names beside its file.
        for name in set(sys.modules) - before:
            if _is_below(sys.modules[name], path.parent):
                del sys.modules[name]
    return module


def _is_below(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)
