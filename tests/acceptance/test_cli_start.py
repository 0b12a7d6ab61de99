"""The command line as a process: how quickly it starts, how it ends, what it says, what it never says."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

CANARY = "canary-e1b6c0d4"
HEAVY = ("pyarrow", "sqlalchemy", "duckdb", "rich", "yaml", "bief.assemble")


def started(*arguments, cwd, **environment):
    inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    return called([sys.executable, "-m", "bief", *arguments], cwd, {**inherited, **environment})


def called(command, cwd, environment=None):
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path):
    """Write a project file and call bief beside it."""

    def project(text):
        (tmp_path / "bief.yaml").write_text(textwrap.dedent(text))
        return tmp_path

    return project


BROKEN = """\
    project: shop
    sources:
      api: {type: rest, base_url: "https://user:%(canary)s@api.example.com", token: ${API_TOKEN}}
    destinations:
      warehouse: {type: sqlite, path: w.db}
    pipelines:
      shop:
        source: ap
        destination: warehouse
        shedule: {every: 10m}
        max_rejected: ${API_TOKEN}
"""


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nonsense",), ("--show-completion", "bash")])
def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path, arguments):
    script = f"""
import sys
from bief.cli.main import run
try:
    run({list(arguments)!r})
except SystemExit:
    pass
print("\\nloaded:", *[name for name in {HEAVY!r} if name in sys.modules])
"""
    ended = called([sys.executable, "-c", script], tmp_path)
    assert ended.stdout.splitlines()[-1] == "loaded:"


def test_help_names_every_command(tmp_path):
    ended = started("--help", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for command in ("init", "schema", "check", "plan", "run", "preview", "runs", "logs", "query"):
        assert f"\n  {command} " in ended.stdout
        own = started(command, "--help", cwd=tmp_path)
        assert (own.returncode, own.stderr) == (0, "")
        assert f"Usage: bief {command}" in own.stdout
        assert f"  Examples:\n    bief {command}" in own.stdout


def test_no_command_is_a_usage_error_with_the_help(tmp_path):
    ended = started(cwd=tmp_path)
    assert ended.returncode == 2
    assert "Usage: bief" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rnu",), "No such command 'rnu'. Did you mean 'run'? Try 'bief --help'."),
        (("run", "--refresh"), "No such option: --refresh"),
        (("preview",), "Missing argument 'PIPELINE.STREAM'"),
        (("runs", "-n", "0"), "Invalid value for '-n' / '--number'"),
    ],
)
def test_usage_errors_are_one_paragraph(tmp_path, arguments, says):
    ended = started(*arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("run",), ("check",), ("plan",), ("runs",), ("query", "SELECT 1"), ("-C", ".", "run", "--json")]
)
def test_without_a_project_there_is_advice(tmp_path, arguments):
    ended = started(*arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: bief.yaml: there is no bief.yaml in ")
    assert "bief init DIR" in ended.stderr


@pytest.mark.parametrize("flags", [(), ("--debug",), ("--json",)])
def test_all_problems_come_at_once_with_lines_and_without_secrets(project, flags):
    folder = project(BROKEN % {"canary": CANARY})
    ended = started("check", *flags, cwd=folder, API_TOKEN=CANARY + "-token")
    assert ended.returncode == 2
    assert CANARY not in ended.stdout + ended.stderr
    if "--json" in flags:
        assert ended.stderr == ""
        lines = [problem["line"] for problem in json.loads(ended.stdout)["problems"]]
    else:
        assert ended.stdout == ""
        assert ended.stderr.startswith(f"error: {len(ended.stderr.splitlines()) - 1} problems in the project:\n")
        lines = [int(line.split(":")[1]) for line in ended.stderr.splitlines()[1:]]
    assert {10, 11} <= set(lines)


def test_missing_variables_stop_before_anything_else(project):
    folder = project(BROKEN % {"canary": CANARY})
    (folder / ".env").write_text(f"OTHER={CANARY}\n")
    ended = started("run", "--json", cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "bief.yaml:3: the variable API_TOKEN is not set." in ended.stderr
    assert "bief.yaml:11: the variable API_TOKEN is not set." in ended.stderr
    assert CANARY not in ended.stderr
    assert not (folder / ".bief").exists()


BOOM = f"""
import sys, types
module = types.ModuleType("bief.assemble")
class Project:
    @classmethod
    def load(cls, folder):
        raise RuntimeError("driver said {CANARY}\\x1b[2J and postgresql://u:hunter22@h/d")
module.Project = Project
sys.modules["bief.assemble"] = module
from bief.cli.main import run
run(sys.argv[1:])
"""


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_one_paragraph_and_a_traceback_only_when_asked(project, debug):
    folder = project("project: shop\n")
    (folder / ".env").write_text(f"DB_PASSWORD={CANARY}\n")
    command = [sys.executable, "-c", BOOM, "run", *(["--debug"] if debug else [])]
    ended = called(command, folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "This is a bug in Bief" in ended.stderr
    assert ("Traceback" in ended.stderr) == debug
    assert not {"\x1b"} & set(ended.stderr)
    assert "driver said ***" in ended.stderr
    assert CANARY not in ended.stderr
    assert "hunter22" not in ended.stderr


SLOW = """
import sys, threading, time, types
module = types.ModuleType("bief.assemble")
class Project:
    def __init__(self):
        self.stop = threading.Event()
        self.redactor = types.SimpleNamespace(clean=lambda text: text)
    @classmethod
    def load(cls, folder):
        return cls()
    def pipelines(self):
        return ["shop"]
    def run(self, pipeline, **options):
        from bief.run.receipt import Receipt
        from datetime import datetime, UTC
        print("running", file=sys.stderr, flush=True)
        self.stop.wait(30)
        if "stubborn" in sys.argv:
            time.sleep(30)
        now = datetime.now(UTC)
        return Receipt("r1", pipeline, "cancelled", now, now, ())
    def close(self):
        print("closed", file=sys.stderr, flush=True)
module.Project = Project
sys.modules["bief.assemble"] = module
from bief.cli.main import run
run(["run", "--json"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_after_the_batch(project, number):
    with running(project("project: shop\n")) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines() == ["stopping after the current batch; press Ctrl-C again to stop at once", "closed"]
    assert json.loads(out)["verdict"] == "cancelled"


def test_two_signals_stop_at_once(project):
    with running(project("project: shop\n"), "stubborn") as process:
        process.send_signal(signal.SIGINT)
        assert "stopping" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 15  # it would sleep for 30
    assert (out, err) == ("", "stopped.\n")


def running(folder, *words):
    command = [sys.executable, "-c", SLOW, *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "running\n"
    return process


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bief ru", ["run", "runs"]),
        ("bief run ", ["books", "shop"]),
        ("bief run sh", ["shop"]),
        ("bief query x -d ", ["warehouse"]),
        ("bief preview shop.", ["shop.customers", "shop.orders"]),
        ("bief preview bo", ["books.orders"]),
    ],
)
def test_completion_knows_the_names_of_the_project(project, words, expected):
    folder = project("""\
        project: shop
        sources:
          api: {type: rest, base_url: x, streams: {customers: {}, orders: {}}}
        destinations:
          warehouse: {type: sqlite}
        pipelines:
          shop: {source: api, destination: warehouse}
          books: {source: api, destination: warehouse, streams: [orders]}
        """)
    count = str(len(words.split()) - (not words.endswith(" ")))
    ended = started(cwd=folder, _BIEF_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert sorted(ended.stdout.split()) == expected
    assert ended.stderr == ""


def test_completion_of_a_broken_project_says_nothing(project):
    folder = project("a: [1\n")
    ended = started(cwd=folder, _BIEF_COMPLETE="complete_bash", COMP_WORDS="bief run ", COMP_CWORD="2")
    assert (ended.stdout.split(), ended.stderr) == ([], "")


def test_colours_are_for_terminals(tmp_path):
    script = "import sys; sys.stderr.isatty = lambda: True; from bief.cli.main import run; run(['rnu'])"
    command = [sys.executable, "-c", script]
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    coloured = called(command, tmp_path, plain)
    assert coloured.stderr.startswith("\x1b[1;31merror:\x1b[0m ")
    uncoloured = called(command, tmp_path, {**plain, "NO_COLOR": "1"})
    assert uncoloured.stderr.startswith("error: ")
