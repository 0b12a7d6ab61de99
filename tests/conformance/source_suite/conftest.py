"""Every test of this folder runs once for each offer of each kind of source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from offers import CANARY, OFFERS, Offer
from postgres_offers import POSTGRES_OFFERS

from bief.ports.runtime import Runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    made = Runtime(folder=tmp_path)
    made.redactor.learn(CANARY)
    return made


@pytest.fixture(params=[*OFFERS, *POSTGRES_OFFERS])
def offer(request: pytest.FixtureRequest, runtime: Runtime) -> Iterator[Offer]:
    """One open source."""
    if request.param in POSTGRES_OFFERS:
        opening = POSTGRES_OFFERS[request.param](runtime, request.getfixturevalue("postgres_url"))
    else:
        opening = OFFERS[request.param](runtime)
    with opening as opened:
        yield opened
