"""Every test of this folder runs once for each offer of each kind of source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from offers import CANARY, OFFERS, Offer

from bief.ports.runtime import Runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    made = Runtime(folder=tmp_path)
    made.redactor.learn(CANARY)
    return made


@pytest.fixture(params=OFFERS)
def offer(request: pytest.FixtureRequest, runtime: Runtime) -> Iterator[Offer]:
    """One open source."""
    with OFFERS[request.param](runtime) as opened:
        yield opened
