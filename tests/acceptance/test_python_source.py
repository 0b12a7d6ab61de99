"""Python sources and plug-ins as their users meet them: files, a wheel, the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from codebase import ROOT

from projects import ProjectFolder

EXAMPLE = ROOT / "docs" / "examples" / "plugin"


def blocks(document, language):
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def project(folder, sources, code, stream_options=""):
    folder.joinpath("sources").mkdir(parents=True)
    for file, text in code.items():
        (folder / "sources" / file).write_text(text, encoding="utf-8")
    rest = "destinations:\n  warehouse: {type: duckdb, path: w.duckdb}\npipelines:\n"
    pipeline = f"  load: {{source: mine, destination: warehouse, mode: merge{stream_options}}}\n"
    (folder / "bief.yaml").write_text(f"project: p\n{sources}\n{rest}{pipeline}", encoding="utf-8")
    return ProjectFolder(folder)


@pytest.fixture
def weather(tmp_path):
    """The example of the documents."""
    code, _ = blocks("python-sources.md", "python")
    sources, _ = blocks("python-sources.md", "yaml")
    made = project(tmp_path / "p", sources.replace("  weather:", "  mine:"), {"weather.py": code})
    (made.folder / "sources" / "measured").mkdir()
    return made


def measure(weather, name, *rows):
    lines = ["station,at,celsius", *rows]
    (weather.folder / "sources" / "measured" / name).write_text("\n".join(lines), encoding="utf-8")


def test_the_example_of_the_documents_loads_only_what_is_new(weather):
    measure(weather, "1.csv", "A,2024-01-01T10:00:00Z,1.5", "A,2024-01-01T11:00:00Z,2.5")
    assert weather.run()["steps"][0]["loaded"] == 2
    measure(weather, "2.csv", "B,2024-01-01T11:00:00Z,7", "A,2024-01-01T12:00:00Z,3.5")
    step = weather.run()["steps"][0]

    assert step["read"] == 3  # the row at the boundary comes again, and is told apart by its key
    assert weather.duckdb('SELECT station, celsius FROM readings ORDER BY "at", station') == [
        {"station": "A", "celsius": 1.5},
        {"station": "A", "celsius": 2.5},
        {"station": "B", "celsius": 7.0},
        {"station": "A", "celsius": 3.5},
    ]
    assert "reading 1.csv" in weather.bief("logs", "latest").out
    assert weather.bief("check", "--connect").out.count("ok") == 3
    assert weather.bief("preview", "load.readings", "-n", "1", "--json").json


def test_printing_does_not_spoil_the_receipt(tmp_path):
    code = "print('imported')\ndef rows():\n    print('called')\n    yield {'id': 1}\n"
    sources = "sources:\n  mine: {type: python, file: sources/a.py, streams: {rows: {primary_key: id}}}"
    done = project(tmp_path / "p", sources, {"a.py": code}).bief("run", "--json")

    assert done.json["verdict"] == "success"
    assert "imported" in done.err
    assert "called" in done.err


FAILING = """
import bief
def articles(checkpoint, options, secrets):
    first = checkpoint["page"] if checkpoint else 0
    for page in range(first, 4):
        if page == options["fails_at"]:
            raise RuntimeError(f"the key {secrets['key']} was refused")
        yield [{"id": page * 10 + number} for number in range(10)]
        CHECKPOINT
"""
FAILING_SOURCES = """sources:
  mine:
    type: python
    file: sources/a.py
    streams: {articles: {primary_key: id, batch_rows: 20}}
    options: {fails_at: 3}
    secrets: {key: "${ARTICLES_KEY}"}"""


@pytest.mark.parametrize(
    ("line", "kept", "second"), [("pass", 0, 40), ("yield bief.Checkpoint({'page': page + 1})", 30, 10)]
)
def test_a_read_that_fails_is_all_or_nothing_or_goes_on_at_a_checkpoint(tmp_path, line, kept, second):
    made = project(tmp_path / "p", FAILING_SOURCES, {"a.py": FAILING.replace("CHECKPOINT", line)})
    made.env["ARTICLES_KEY"] = "canary-of-a-key"
    done = made.bief("run", "--json", code=1)
    log = made.bief("logs", "latest").out

    step = done.json["steps"][0]
    assert "sources/a.py, line 7, in articles: RuntimeError: the key *** was refused." in step["error"]
    assert "Traceback" not in done.out + done.err
    assert "Traceback" in log
    assert "canary-of-a-key" not in done.out + done.err + log
    assert step["loaded"] == kept
    made.change("fails_at: 3", "fails_at: 9")
    assert made.run()["steps"][0]["loaded"] == second
    assert made.duckdb("SELECT count(*) AS n, count(DISTINCT id) AS d FROM articles") == [{"n": 40, "d": 40}]


def test_a_bad_item_is_in_the_quarantine(tmp_path):
    code = "def rows():\n    yield from [{'id': n} for n in range(50)]\n    yield 17\n"
    sources = "sources:\n  mine: {type: python, file: sources/a.py, streams: {rows: {primary_key: id}}}"
    made = project(tmp_path / "p", sources, {"a.py": code}, ", max_rejected: 1")
    assert made.run()["steps"][0]["rejected"] == 1
    assert [json.loads(each["raw"]) for each in made.duckdb("SELECT raw FROM _bief_quarantine")] == [17]


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        ("../a.py", "", "is outside of the project folder"),
        ("sources/b.py", "", "there is no file 'sources/b.py'"),
        ("sources/a.py", "def rows(:\n", "sources/a.py:1"),
    ],
)
def test_check_finds_a_wrong_file_without_running_it(tmp_path, file, code, message):
    sources = f"sources:\n  mine: {{type: python, file: {file}, streams: {{rows: {{primary_key: id}}}}}}"
    made = project(tmp_path / "p", sources, {"a.py": code})
    assert message in made.bief("check", code=2).err


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """A folder with the example plug-in as its wheel installs it."""
    folder = tmp_path_factory.mktemp("plugin")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(folder)]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=True)
    site = folder / "site"
    with zipfile.ZipFile(folder / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(site)
    return site


LETTERS = "".join(
    f"From x Mon Jan  1 00:00:00 2024\nFrom: a{n}@example.com\nSubject: s{n}\n\ntext\n\n" for n in range(5)
)


@pytest.fixture
def letters(tmp_path, plugged):
    (tmp_path / "bief.yaml").write_text(blocks("plug-ins.md", "yml")[0], encoding="utf-8")
    (tmp_path / "inbox.mbox").write_text(LETTERS, encoding="utf-8")
    return ProjectFolder(tmp_path, {"PYTHONPATH": str(plugged)})


def test_an_installed_plug_in_is_a_kind_like_the_others(letters):
    assert "valid" in letters.bief("check", "--connect").out
    assert letters.run()["steps"][0]["loaded"] == 5
    assert letters.duckdb('SELECT "from", subject FROM messages WHERE id = 3') == [
        {"from": "a3@example.com", "subject": "s3"}
    ]
    schema = letters.bief("schema").json
    assert schema["$defs"]["source.mbox"]["properties"]["path"]["description"] == "The file, from the project folder."
    letters.change("type: mbox", "type: mbux")
    assert re.search(r"there is no type 'mbux'.*rest.*python.*mbox", letters.bief("check", code=2).err)


def test_its_own_tests_pass_with_the_suite_of_bief(plugged):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "test_bief_mbox.py")]
    environment = {**ProjectFolder(Path()).env, "PYTHONPATH": str(plugged), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=plugged)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 14


def broken_site(folder, code, entry="broken", package="bief-broken"):
    info = folder / f"{package.replace('-', '_')}-2.5.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.5\n", encoding="utf-8")
    module = f"module_of_{package.replace('-', '_')}"
    info.joinpath("entry_points.txt").write_text(f"[bief.sources]\n{entry} = {module}:Source\n", encoding="utf-8")
    folder.joinpath(f"{module}.py").write_text(code, encoding="utf-8")
    return folder


BROKEN = {
    "not importable": ("import not_there_at_all", "ModuleNotFoundError"),
    "no such class": ("", "AttributeError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit"),
    "another kind": ("import pydantic\nclass Source:\n    kind = 'x'\n    Options = pydantic.BaseModel", "kind is 'x'"),
    "no options": ("class Source:\n    kind = 'broken'\n    Options = dict", "no pydantic model"),
}


@pytest.mark.parametrize(("code", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plug_in_is_named_and_hurts_nobody_else(tmp_path, code, why):
    site = broken_site(tmp_path / "site", code)
    sources = "sources:\n  mine: {type: python, file: sources/a.py, streams: {rows: {primary_key: id}}}"
    made = project(tmp_path / "p", sources, {"a.py": "def rows(): yield {'id': 1}"})
    made.env["PYTHONPATH"] = str(site)

    assert made.run()["verdict"] == "success"
    assert "source.broken" not in made.bief("schema").json["$defs"]
    made.change("type: python, file: sources/a.py", "type: broken")
    said = made.bief("check", code=2).err
    assert "bief.yaml:3: " in said
    assert "bief-broken 2.5" in said
    assert why in said


def test_two_packages_with_one_type_are_an_error(tmp_path):
    site = broken_site(tmp_path / "site", "")
    broken_site(tmp_path / "site", "", package="bief-other")
    sources = "sources:\n  mine: {type: broken}"
    made = project(tmp_path / "p", sources, {})
    made.env["PYTHONPATH"] = str(site)
    assert (
        "several packages bring the type 'broken': bief-broken 2.5 and bief-other 2.5" in made.bief("check", code=2).err
    )
