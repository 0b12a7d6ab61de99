"""The receipt of a run: what was read, and what became of every row of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from bief.base.events import StepStatus, Verdict
from bief.guard.checks import Finding

RunKind = Literal["run", "replay", "rollback"]


@dataclass(frozen=True)
class StepReceipt:
    """What became of one stream. `read = loaded + rejected + filtered + deduplicated` holds for committed batches.

    `guarantee` is the label with its reason ("exactly-once effect", "at-least-once because: …"); `resumed` says that
    the step went on inside a round that an earlier run had begun; `error` is one paragraph without secrets. `checks`
    are what the checks found in what was committed, and in the load that one of them failed.
    """

    stream: str
    table: str
    mode: str
    status: StepStatus
    read: int = 0
    loaded: int = 0
    rejected: int = 0
    filtered: int = 0
    deduplicated: int = 0
    deleted: int = 0
    batches: int = 0
    seconds: float = 0.0
    resumed: bool = False
    guarantee: str = ""
    error: str = ""
    checks: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What one run of one pipeline did. `verdict` is `success`, `partial`, `failed` or `cancelled`; `kind` says whether
    it read the source, brought rows back from the quarantine, or took back what another run had loaded."""

    run_id: str
    pipeline: str
    verdict: Verdict
    started_at: datetime
    finished_at: datetime
    steps: tuple[StepReceipt, ...]
    error: str = ""
    kind: RunKind = "run"

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    def total(self, count: str) -> int:
        """The sum of one count (`read`, `loaded`, `rejected`, …) over all steps."""
        return sum(int(getattr(step, count)) for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The receipt as JSON values, times in ISO 8601."""
        return {
            **asdict(self),
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "steps": [asdict(step) for step in self.steps],
        }
