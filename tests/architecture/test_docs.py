"""The documents say what the code does: references are generated, examples are read by the real models."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from codebase import ROOT, name

from bief import Project
from bief.config.project import Project as ProjectFile
from bief.ports import registry

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")])
FENCED_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")
EXAMPLES = [
    pytest.param(text, id=f"{name(path)}-{number}")
    for path in DOCUMENTS
    for number, text in enumerate(FENCED_YAML.findall(path.read_text(encoding="utf-8")), start=1)
]


def test_the_references_are_up_to_date():
    command = [sys.executable, "scripts/generate_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def keys_of(schema):
    inner = [schema, *schema.get("$defs", {}).values()]
    return {key for each in inner for key in each.get("properties", {})}


def test_every_key_of_the_project_file_stands_in_its_reference():
    text = (ROOT / "docs" / "project-file.md").read_text(encoding="utf-8")
    kinds = [registry.source_class(kind) for kind in registry.source_kinds()]
    kinds += [registry.destination_class(kind) for kind in registry.destination_kinds()]
    models = [ProjectFile, *(each.Options for each in kinds)]
    keys = set().union(*(keys_of(model.model_json_schema()) for model in models))
    assert len(keys) > 40
    assert {key for key in keys if f"| `{key}` |" not in text} == set()
    assert all(f"`type: {each.kind}`" in text for each in kinds)


def test_every_command_stands_in_its_reference():
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    help_text = subprocess.run(
        [sys.executable, "-m", "bief", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", help_text.partition("Commands")[2], re.MULTILINE)
    assert {"init", "run", "plan", "query"} <= set(commands)
    assert {command for command in commands if f"## bief {command}\n" not in text} == set()


def completed(text):
    """An example as a whole project file: what it leaves out is the same for all of them."""
    if "\nproject:" in f"\n{text}":
        return text
    sources = re.findall(r"^  (\w+):$", text, re.MULTILINE)
    pipelines = [f"  load_{name}: {{source: {name}, destination: file_{name}, mode: replace}}" for name in sources]
    destinations = [f"  file_{name}: {{type: sqlite, path: {name}.db}}" for name in sources]
    assert text.startswith("sources:"), "an example shows a whole project file or its sources"
    return "\n".join([f"project: example\n{text}", "destinations:", *destinations, "pipelines:", *pipelines])


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_valid(text, tmp_path, monkeypatch):
    for variable in re.findall(r"\$\{([A-Z_]+)\}", text):
        monkeypatch.setenv(variable, "postgresql://somebody:secret@localhost/db" if "URL" in variable else "secret")
    (tmp_path / "bief.yaml").write_text(completed(text), encoding="utf-8")
    for file in ["simulator.py", *re.findall(r"file: (\S+\.py)", text)]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("import bief\n@bief.source\ndef rows(): ...\n", encoding="utf-8")
    project = Project.load(tmp_path)
    project.close()


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_a_link_leads_to_a_file(path):
    targets = [match["target"] for match in LINK.finditer(path.read_text(encoding="utf-8"))]
    assert [each for each in targets if "://" not in each and not (path.parent / each).exists()] == []


def test_every_decision_is_numbered_once():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) >= 10
    assert sorted(set(numbers)) == sorted(numbers)
