"""The project stands alone: no server of packages, no folder of one machine, a changelog that knows the version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from codebase import ROOT, committed_texts, modules, name, tree_of

import bief

# In pieces, so that this file does not find itself.
FOREIGN = re.compile(
    "|".join(
        [
            r"py" + r"pi\.(org|python)",
            r"python" + r"hosted\.",
            r"npm" + r"js\.(org|com)",
            r"--(extra-)?index" + r"-url",
            r"(?<![\w.])/(work" + r"|home)/\w",
            r"\.\./" + r"shared",
        ]
    )
)


def test_no_file_names_a_package_registry_or_a_private_folder():
    texts = committed_texts()
    found = [f"{name(path)}: {match[0]}" for path in texts for match in FOREIGN.finditer(path.read_text("utf-8"))]
    assert len(texts) > 50
    assert found == []


@pytest.mark.parametrize("bad", ["https://py" + "pi.org/simple", "/wor" + "k/main/x", "see ../sha" + "red/x"])
def test_the_finder_finds(bad):
    assert FOREIGN.search(bad)


def test_the_changelog_and_the_package_know_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"\n## [{bief.__version__}]" in changelog
    assert project["project"]["version"] == bief.__version__


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [re.match(r"[\w.-]+", each)[0].lower() for each in project["project"]["dependencies"]]
    groups = [re.match(r"[\w.-]+", each)[0].lower() for each in project["dependency-groups"]["dev"]]
    for file, names in (("base.txt", asked), ("dev.txt", asked + groups)):
        text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
        locked = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
        assert set(names) <= locked
        assert text.count("--hash=sha256:") >= len(locked)


def test_every_imported_package_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in project["project"]["dependencies"]}
    providers = packages_distributions()
    imported = {
        module.split(".")[0]
        for path in modules()
        for node in ast.walk(tree_of(path))
        for module in imported_modules(node)
    }
    # pydantic_core is the half of pydantic that its own documents send one to for errors; pydantic pins it.
    foreign = imported - set(sys.stdlib_module_names) - {"bief", "__future__", "pydantic_core"}
    assert {"pyarrow", "pydantic", "duckdb"} <= foreign
    undeclared = {
        name for name in foreign if not declared & {each.lower().replace("_", "-") for each in providers.get(name, [])}
    }
    assert undeclared == set()


def imported_modules(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
