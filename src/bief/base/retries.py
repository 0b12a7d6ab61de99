"""Trying again. Called by the HTTP client for each request and by the runner for each commit.

Only `errors.Transient` is tried again; everything else goes straight up. Nothing here knows what the work is.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

import tenacity

from bief.base.events import Event, Retried
from bief.errors import Transient

Result = TypeVar("Result")
# A doubling beyond this is above any cap; larger exponents would only overflow.
_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    The n-th wait is a random time between nothing and `base_seconds` · 2ⁿ (full jitter: many clients that failed
    together do not come back together), never more than `cap_seconds`. An error that says itself when to come back
    (`retry_after_seconds`) is waited for at least that long. A wait that would end after `budget_seconds`, counted
    from the first try, is not begun.
    """

    attempts: int = 6
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    budget_seconds: float = 7200.0


def retried(
    work: Callable[[], Result],
    *,
    what: str,
    emit: Callable[[Event], None],
    stop: threading.Event,
    patience: Patience | None = None,
) -> Result:
    """What `work` gives, after as many tries as `patience` allows. Raises the last error of `work`.

    `what` names the work in the `Retried` events. When `stop` is set, no new try is begun: the last error goes up.
    """
    allowed = patience or Patience()
    last: list[BaseException] = []

    def announce(state: tenacity.RetryCallState) -> None:
        error = _error(state)
        last[:] = [error]
        emit(Retried(what=what, attempt=state.attempt_number, wait_seconds=state.upcoming_sleep, reason=str(error)))

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            _raise(last[0])

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, Transient)),
        wait=lambda state: _wait(state, allowed),
        stop=(
            tenacity.stop_after_attempt(allowed.attempts)
            | tenacity.stop_before_delay(allowed.budget_seconds)
            | tenacity.stop_when_event_set(stop)
        ),
        sleep=sleep,
        before_sleep=announce,
        reraise=True,
    )
    return trying(work)


def _wait(state: tenacity.RetryCallState, patience: Patience) -> float:
    doublings = min(state.attempt_number - 1, _MOST_DOUBLINGS)
    ceiling = min(patience.cap_seconds, patience.base_seconds * 2**doublings)
    backoff = random.uniform(0, ceiling)  # noqa: S311 - jitter is no secret
    asked = getattr(_error(state), "retry_after_seconds", None)
    return backoff if asked is None else max(backoff, float(asked))


def _error(state: tenacity.RetryCallState) -> BaseException:
    outcome = state.outcome
    error = outcome.exception() if outcome else None
    if error is None:
        raise AssertionError("only a failed try is followed by a wait")
    return error


def _raise(error: BaseException) -> NoReturn:
    raise error
