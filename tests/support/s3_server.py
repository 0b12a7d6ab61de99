"""An S3-compatible store for the tests: OpenStack Swift with its S3 API, installed in an environment of its own.

The one named by BIEF_TEST_S3_ENDPOINT (with BIEF_TEST_S3_ACCESS_KEY and BIEF_TEST_S3_SECRET_KEY) is used instead, if
there is one. A missing store is a skip with its reason, or a failure with BIEF_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as arrow_fs
from codebase import ROOT
from postgres_server import missing

_HOME = ROOT / ".servers" / "swift"
_BACK_ENDS = ("account", "container", "object")
_START_SECONDS = 60
_PIPELINE = (
    "catch_errors gatekeeper proxy-logging listing_formats s3api tempauth bulk copy slo dlo versioned_writes symlink "
    "proxy-logging proxy-server"
)


@dataclass(frozen=True)
class S3Server:
    """A store, and keys that may do anything there."""

    endpoint: str
    access_key: str
    secret_key: str

    def client(self) -> arrow_fs.S3FileSystem:
        """A client of pyarrow's: what puts the objects there that the tests read."""
        scheme, _, host = self.endpoint.partition("://")
        return arrow_fs.S3FileSystem(
            access_key=self.access_key,
            secret_key=self.secret_key,
            endpoint_override=host,
            scheme=scheme,
            region="us-east-1",
            allow_bucket_creation=True,
            allow_bucket_deletion=True,
            # One request for a small object, instead of three.
            allow_delayed_open=True,
        )


@contextlib.contextmanager
def s3_store(folder: Path) -> Iterator[S3Server]:
    """A store that runs as long as the block; `folder` keeps its objects."""
    given = os.environ.get("BIEF_TEST_S3_ENDPOINT")
    if given:
        key, secret = os.environ["BIEF_TEST_S3_ACCESS_KEY"], os.environ["BIEF_TEST_S3_SECRET_KEY"]
        yield S3Server(given, key, secret)
        return
    python = _installed()
    with contextlib.ExitStack() as stack:
        port = _start(python, folder, stack)
        yield S3Server(f"http://127.0.0.1:{port}", "test:tester", "testing")


def _installed() -> Path:
    """The interpreter of an environment that has Swift, made once and kept."""
    _HOME.parent.mkdir(exist_ok=True)
    # Tests run in several processes: the first one makes it, the others wait.
    with (_HOME.parent / "swift.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made()


def _made() -> Path:
    python = _HOME / "bin" / "python"
    done = _HOME / "installed"
    if done.exists():
        return python
    uv = shutil.which("uv") or str(ROOT / ".tools" / "uv" / "bin" / "uv")
    commands = [
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_HOME)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "swift==2.38.3", "setuptools<81"],
    ]
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            detail = (getattr(error, "stderr", "") or str(error)).strip()[-300:]
            missing(f"no S3 store: BIEF_TEST_S3_ENDPOINT is not set and Swift cannot be installed: {detail}")
    done.touch()
    return python


def _start(python: Path, folder: Path, stack: contextlib.ExitStack) -> int:
    """Start the four processes of a store; the port of its S3 API."""
    ports = dict(zip((*_BACK_ENDS, "proxy"), _free_ports(4), strict=True))
    (folder / "dev" / "d1").mkdir(parents=True)
    for name, text in _files(folder, ports).items():
        (folder / name).write_text(text)
    for name in _BACK_ENDS:
        builder = f"{name}.builder"
        for words in (
            ["create", "4", "1", "0"],
            ["add", f"r1z1-127.0.0.1:{ports[name]}/d1", "1"],
            ["rebalance"],
        ):
            subprocess.run(
                [python, python.parent / "swift-ring-builder", builder, *words],
                cwd=folder,
                check=True,
                capture_output=True,
            )
    for name in (*_BACK_ENDS, "proxy"):
        log = stack.enter_context((folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            [python, python.parent / f"swift-{name}-server", folder / f"{name}.conf"], stdout=log, stderr=log
        )
        stack.callback(_end, process)
    _wait(ports["proxy"], folder)
    return ports["proxy"]


def _files(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """The configuration, by file name."""
    user = os.environ.get("USER") or "root"
    common = f"bind_ip = 127.0.0.1\nworkers = 0\nuser = {user}\nswift_dir = {folder}\n"
    back_end = f"devices = {folder}/dev\nmount_check = false\nfallocate_reserve = 0\n"
    files = {
        "swift.conf": "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
        "[storage-policy:0]\nname = gold\ndefault = yes\n"
    }
    for name in _BACK_ENDS:
        files[f"{name}.conf"] = (
            f"[DEFAULT]\nbind_port = {ports[name]}\n{common}{back_end}"
            f"[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n"
        )
    filters = [each for each in _PIPELINE.split() if each != "proxy-server"]
    more = {
        "s3api": "location = us-east-1\nallow_multipart_uploads = true\ns3_acl = false\n",
        "tempauth": "user_test_tester = testing .admin\n",
        "slo": "minimum_segment_size = 1\n",
        "proxy-logging": "access_log_name = proxy\n",
    }
    files["proxy.conf"] = (
        f"[DEFAULT]\nbind_port = {ports['proxy']}\n{common}[pipeline:main]\npipeline = {_PIPELINE}\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    ) + "".join(
        f"[filter:{each}]\nuse = egg:swift#{each.replace('-', '_')}\n{more.get(each, '')}"
        for each in dict.fromkeys(filters)
    )
    return files


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(port: int, folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return  # it answers, if only that nobody may do this
        except OSError:
            time.sleep(0.1)
    logs = "\n".join(path.read_text()[-500:] for path in folder.glob("*.log"))
    missing(f"no S3 store: Swift did not start in {_START_SECONDS} s: {logs}")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
