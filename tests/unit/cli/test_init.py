"""`bief init`: a new project, and copies of examples."""

import stat
import subprocess
import sys
import urllib.request
from importlib import resources

import pytest
import yaml

from bief.config.loading import load_project


def test_a_new_project_is_complete_and_valid(fake, bief, tmp_path):
    code, out, err = bief("init", "my shop!")
    folder = tmp_path / "my shop!"
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == ["  cd 'my shop!'", "  bief run"]
    assert load_project(folder, {}).project.project == "my_shop"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"bief.yaml", "simulator.py", ".env", ".env.example", ".gitignore", ".bief/schema.json"}
    assert (folder / "bief.yaml").read_text().startswith("# yaml-language-server: $schema=.bief/schema.json\n")
    assert ".env\n" in (folder / ".gitignore").read_text()
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_the_simulator_answers_and_ends_with_its_input(fake, bief, tmp_path):
    bief("init", "shop")
    command = [sys.executable, str(tmp_path / "shop" / "simulator.py"), "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        word, address = simulator.stdout.readline().split()
        with urllib.request.urlopen(f"{address}/orders?limit=5", timeout=10) as answer:
            orders = yaml.safe_load(answer.read())
        simulator.stdin.close()
        assert simulator.wait(timeout=10) == 0
    assert word == "ready"
    assert len({order["id"] for order in orders}) == 20


@pytest.mark.parametrize("kind", ["full", "file"])
def test_nothing_is_overwritten(fake, bief, tmp_path, kind):
    target = tmp_path / "taken"
    if kind == "full":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    else:
        target.write_text("mine")
    code, out, err = bief("init", "taken")
    assert (code, out) == (2, "")
    assert "nothing is ever overwritten" in err
    assert [path.read_text() for path in ([target] if kind == "file" else target.iterdir())] == ["mine"]


def test_an_empty_folder_is_fine_also_the_current_one(fake, bief, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    code, out, _ = bief("init", ".")
    assert code == 0
    assert out.splitlines()[-2:] == ["  bief check", "  bief run"]
    assert load_project(tmp_path / "empty", {}).project.project == "empty"


def test_a_folder_is_needed(fake, bief):
    code, _, err = bief("init")
    assert code == 2
    assert "bief init shop" in err


@pytest.fixture
def examples(monkeypatch, tmp_path):
    """A package folder with one example, and what must not be copied from it."""
    example = tmp_path / "package" / "examples" / "tiny"
    (example / "models").mkdir(parents=True)
    (example / "__pycache__").mkdir()
    (example / "bief.yaml").write_text("project: tiny\n")
    (example / "env.template").write_text("TOKEN=demo\n")
    (example / "models" / "a.sql").write_text("SELECT 1\n")
    (example / "__pycache__" / "x.pyc").write_bytes(b"")
    (tmp_path / "package" / "examples" / "unfinished").mkdir()
    real = resources.files
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / "package" if name == "bief" else real(name))


def test_an_example_is_copied(fake, bief, tmp_path, examples):
    assert bief("init", "--list")[1] == "tiny\n"
    assert bief("init", "copy", "--example", "tiny")[0] == 0
    folder = tmp_path / "copy"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"bief.yaml", ".env", ".env.example", ".gitignore", "models/a.sql", ".bief/schema.json"}
    assert (folder / "bief.yaml").read_text() == "project: tiny\n"
    assert (folder / ".env").read_text() == "TOKEN=demo\n"


def test_an_unknown_example_names_the_known_ones(fake, bief, tmp_path, examples):
    code, _, err = bief("init", "copy", "--example", "tyni")
    assert code == 2
    assert "there is no example 'tyni'. The examples: tiny" in err
    assert not (tmp_path / "copy").exists()


def test_a_folder_that_cannot_be_made_is_one_paragraph(fake, bief, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = bief("init", "file/below")
    assert code == 1
    assert err.count("\n") == 1
    assert "Traceback" not in err
