"""Failpoints: off unless asked for, and only where they are known."""

from __future__ import annotations

import pytest

from bief.base import failpoints


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm("")


def test_unset_a_failpoint_does_nothing():
    for point in failpoints.POINTS:
        failpoints.failpoint(point)


def test_it_rises_once_at_the_hit_that_was_asked_for():
    failpoints.arm("load.after_claim=raise:2, load.after_ddl=raise")
    failpoints.failpoint("load.after_claim")
    with pytest.raises(failpoints.Injected, match=r"load\.after_claim"):
        failpoints.failpoint("load.after_claim")
    failpoints.failpoint("load.after_claim")
    with pytest.raises(failpoints.Injected):
        failpoints.failpoint("load.after_ddl")


@pytest.mark.parametrize("setting", ["load.nowhere=kill", "load.after_ddl=explode", "load.after_ddl"])
def test_an_unknown_setting_is_an_error(setting: str):
    with pytest.raises(ValueError, match="BIEF_FAILPOINTS"):
        failpoints.arm(setting)
