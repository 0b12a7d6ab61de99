"""Every test of this folder runs once for each kind of destination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from places import PLACES, Place, place_of


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A fresh, prepared destination."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    place = place_of(request.param, tmp_path, url)
    place.first.prepare()
    yield place
    place.close()


@pytest.fixture(params=PLACES)
def bare_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A destination that nobody has prepared."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    place = place_of(request.param, tmp_path, url)
    yield place
    place.close()
