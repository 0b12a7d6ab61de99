"""How acceptance tests use Bief: as its users do, by the command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class ProjectFolder:
    """A project folder and the environment in which its commands run."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def start(self, *words: str, **more: str) -> subprocess.Popen:
        environment = {**_clean(os.environ), **self.env, **more}
        return subprocess.Popen(
            [sys.executable, "-m", "bief", *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen) -> Done:
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def bief(self, *words: str, code: int = 0, **more: str) -> Done:
        done = self.finish(self.start(*words, **more))
        out, err = done.out, done.err
        assert done.code == code, f"exit code {done.code}, not {code}\n{out[-1500:]}\n{err[-1500:]}"
        return done

    def run(self, code: int = 0, **more: str) -> dict[str, Any]:
        """One run of the only pipeline; its receipt."""
        return self.bief("run", "--json", code=code, **more).json

    def duckdb(self, sql: str) -> list[dict[str, Any]]:
        """Ask the only DuckDB file of the folder without Bief: quick, and a second witness."""
        [file] = self.folder.glob("*.duckdb")
        with duckdb.connect(str(file), read_only=True) as connection:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def query(self, sql: str) -> list[dict[str, Any]]:
        return self.bief("query", sql, "--json").json

    def change(self, old: str, new: str) -> None:
        """Change the project file."""
        file = self.folder / "bief.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


def project_from(example: str, folder: Path, **env: str) -> ProjectFolder:
    ProjectFolder(folder.parent).bief("init", str(folder), "--example", example)
    return ProjectFolder(folder, env)


def _clean(environment: Any) -> dict[str, str]:
    """Without what the surroundings say about the examples: a test must not reach a real API by accident."""
    names = ("PENNYLANE_", "PLACEHOLDER_", "SIMULATOR_", "DATABASE_URL", "BIEF_STATE")
    return {name: value for name, value in environment.items() if not name.startswith(names)}
