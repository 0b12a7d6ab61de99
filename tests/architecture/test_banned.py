"""What must not appear in the code of bief, each with the harm it does."""

from __future__ import annotations

import ast
import re

import pytest
from codebase import PACKAGE, modules, name, scripts, tree_of

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
EXECUTING = {"execute", "executemany", "execute_update", "adbc_execute_query", "sql", "exec_driver_sql"}
QUOTING = {"quote", "table"}
EXCUSE = re.compile(r"# noqa: S608 - \w+")
UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "yaml.load", "yaml.full_load", "yaml.unsafe_load"}


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def dotted(node):
    """`yaml.load` of a call's function; empty for anything more involved."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def late_imports(tree):
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = (node for function in functions for node in ast.walk(function))
    return [each for node in inside for each in imported(node) if each.startswith((".", "bief"))]


def glued_sql(tree):
    """Lines on which a value is put into the text of a statement where it is executed."""
    return [
        call.lineno
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in EXECUTING and call.args and is_glued(call.args[0])
    ]


def is_glued(node):
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
        if isinstance(first, ast.Constant) and str(first.value).startswith("PRAGMA "):
            return False  # SQLite binds no values there
        return any(isinstance(part, ast.FormattedValue) and not is_quoted_name(part.value) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod | ast.Add)
    return isinstance(node, ast.Call) and dotted(node.func).endswith(".format")


def is_quoted_name(node):
    """A name of a table or column that goes through the quoting functions of a dialect."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in QUOTING


def unsafe(tree):
    found = [module for node in ast.walk(tree) for module in imported(node) if module.split(".")[0] in UNSAFE_MODULES]
    found += [dotted(call.func) for call in calls(tree) if dotted(call.func) in UNSAFE_CALLS]
    shells = [
        keyword
        for call in calls(tree)
        for keyword in call.keywords
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    return found + ["shell=" for _ in shells]


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_import_of_bief_inside_a_function(path):
    """It hides a circle between modules."""
    assert late_imports(tree_of(path)) == []


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_module_with_a_name_that_says_nothing(path):
    """Such a module collects everything."""
    assert not VAGUE_NAMES.intersection(part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts)


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_executescript(path):
    """SQLite commits the open transaction before it runs a script."""
    assert not [call for call in calls(tree_of(path)) if dotted(call.func).endswith(".executescript")]


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_value_is_glued_into_sql(path):
    """Values are bound; names go through the quoting functions. Elsewhere the reason stands beside the statement."""
    lines = path.read_text(encoding="utf-8").splitlines()
    hits = glued_sql(tree_of(path))
    assert [line for line in hits if not any(EXCUSE.search(text) for text in lines[line - 1 : line + 2])] == []


@pytest.mark.parametrize("path", [*modules(), *scripts()], ids=name)
def test_nothing_that_runs_foreign_text(path):
    assert unsafe(tree_of(path)) == []


@pytest.mark.parametrize(
    ("finder", "bad", "good"),
    [
        (late_imports, "def f():\n    from bief.base import clock", "def f():\n    import duckdb"),
        (glued_sql, "c.execute(f'SELECT {x}')", "c.execute('SELECT ?', [x])"),
        (glued_sql, "c.execute('SELECT %s' % x)", "c.execute(f'SELECT 1')"),
        (glued_sql, "c.execute(f'{x} SELECT')", "c.execute(f'PRAGMA {x}')"),
        (glued_sql, "c.execute(f'DROP TABLE {x}')", "c.execute(f'DROP TABLE {dialect.quote(x)}')"),
        (glued_sql, "c.execute('SELECT {}'.format(x))", "c.execute(statement)"),
        (unsafe, "import pickle", "import json"),
        (unsafe, "from pickle import loads", "from json import loads"),
        (unsafe, "yaml.load(text)", "yaml.safe_load(text)"),
        (unsafe, "subprocess.run(x, shell=True)", "subprocess.run(x, shell=False)"),
        (unsafe, "eval(x)", "re.compile(x)"),
    ],
)
def test_the_finders_find(finder, bad, good):
    assert finder(ast.parse(bad))
    assert not finder(ast.parse(good))
