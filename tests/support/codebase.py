"""The project's own files, for tests that read code instead of running it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "bief"
_KEPT = ("src", "tests", "docs", "scripts", "requirements", "bench", ".ci")


def modules() -> list[Path]:
    """Every module of bief, without the scripts of the examples."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "examples" not in path.relative_to(PACKAGE).parts)


def scripts() -> list[Path]:
    """Every script that an example ships."""
    return sorted((PACKAGE / "examples").rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def committed_texts() -> list[Path]:
    """Every text file that belongs to the project."""
    tops = [path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".pyc"]
    below = [path for top in _KEPT for path in (ROOT / top).rglob("*") if path.is_file()]
    return sorted(path for path in [*tops, *below] if "__pycache__" not in path.parts and _is_text(path))


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
