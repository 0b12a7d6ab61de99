"""The simulator of a project: started on first use, ended on close, and never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from rest_sources import ids

from bief.errors import SourceUnavailable
from bief.ports.runtime import Runtime
from bief.sources.rest import RestOptions, RestSource

SCRIPT = """
import http.server, json, os, sys, threading
assert sys.argv[1:] == ["--port", "0"]
class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"items": [{"id": 1, "folder": os.getcwd()}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
open("pid", "w").write(str(os.getpid()))
print("ready http://127.0.0.1:%d" % server.server_port, flush=True)
print("x" * 200000, flush=True)
sys.stdin.read()
"""


def source_in(folder, script=SCRIPT):
    (folder / "simulator.py").write_text(textwrap.dedent(script))
    options = {"base_url": "", "simulator": "simulator.py", "records": "items", "streams": {"list": {"path": "/list"}}}
    return RestSource("api", RestOptions.model_validate(options), Runtime(folder=folder))


def gone(pid):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # A child that nobody has waited for is dead too.
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_it_is_started_on_first_use_in_the_project_folder_and_ended_on_close(tmp_path):
    source = source_in(tmp_path)
    source.streams()
    assert not (tmp_path / "pid").exists()

    batches = list(source.read("list", None))
    list(source.read("list", None))
    pid = int((tmp_path / "pid").read_text())
    source.close()
    source.close()

    assert ids(batches, "folder") == [str(tmp_path)]
    assert gone(pid)


def test_an_address_wins(tmp_path):
    options = {"base_url": "http://127.0.0.1:9", "simulator": "simulator.py", "streams": {"list": {"path": "/list"}}}
    source = RestSource("api", RestOptions.model_validate({**options, "max_attempts": 1}), Runtime(folder=tmp_path))
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9"):
        source.check()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit('no port is free')", "no port is free"),
        ("print('hello', flush=True)", "it said nothing"),
        ("print('ready http://example.com:80', flush=True)", "it said nothing"),
    ],
)
def test_it_does_not_get_ready(tmp_path, script, said):
    source = source_in(tmp_path, script)
    with pytest.raises(SourceUnavailable, match=rf"did not get ready.*{said}.*Set `base_url`"):
        source.check()


def test_there_is_no_script(tmp_path):
    source = source_in(tmp_path)
    (tmp_path / "simulator.py").unlink()
    with pytest.raises(SourceUnavailable, match=r"no simulator at simulator\.py"):
        source.check()


def test_it_dies_with_a_process_that_is_killed(tmp_path):
    source_in(tmp_path)
    parent = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_rest_simulator import source_in
        source = source_in(Path({str(tmp_path)!r}))
        source.check()
        print("checked", flush=True)
        sys.stdin.read()
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout.readline() == "checked\n"
        pid = int((tmp_path / "pid").read_text())
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert gone(pid)
