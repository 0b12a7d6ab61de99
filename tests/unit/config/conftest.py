import pytest

from bief.config.loading import load_project
from bief.errors import ProjectError

HEAD = """\
project: shop
sources:
  api:
    type: rest
    base_url: https://api.example.com
    streams: {customers: {}, orders: {}}
destinations:
  warehouse: {type: sqlite, path: w.db}
"""


@pytest.fixture
def load(tmp_path):
    """Load a project file from its text, with an environment of its own."""

    def load(text, environment=None, dotenv=None, also=lambda _: ()):
        (tmp_path / "bief.yaml").write_text(text, encoding="utf-8")
        if dotenv is not None:
            (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
        return load_project(tmp_path, environment or {}, also)

    return load


@pytest.fixture
def problems(load):
    """The problems of a project file, as lines."""

    def problems(text, environment=None, dotenv=None, also=lambda _: ()):
        with pytest.raises(ProjectError) as caught:
            load(text, environment, dotenv, also)
        return [str(problem) for problem in caught.value.problems]

    return problems


@pytest.fixture
def head():
    """Everything but the pipelines; eight lines."""
    return HEAD
