"""Every error that Bief raises on purpose.

    BiefError
    ├── ProjectError            the project folder is wrong: nothing was read or written (exit code 2)
    ├── SourceError
    │   ├── SourceUnavailable   · transient: no answer, 5xx, 429, a body cut short
    │   ├── SourceRefused       · permanent: 401, 403, 404, a request that the server calls wrong
    │   ├── SourceMisread       · permanent: an answer that is not what the project file declares
    │   └── SourceChanged       · transient: what was read since the last position does not hold any more
    ├── DestinationError
    │   ├── DestinationUnavailable · transient: no connection, a lock that did not come free
    │   ├── CommitInDoubt       · transient: COMMIT was sent and no reply came; the ledger decides
    │   ├── DestinationRefused  · permanent: a permission, a full disk, a table changed by hand
    │   │   └── RowsRefused     · permanent: a rule of the table that some of the rows break
    │   └── Fenced              · permanent: another run has taken this stream over
    ├── GuardError
    │   ├── TooManyRejected     · permanent: more rejected rows than `max_rejected` allows
    │   ├── ContractBroken      · permanent: the contract is `freeze`, and something does not fit the table
    │   ├── CheckFailed         · permanent: a check of severity `fail` does not hold, or cannot be made
    │   └── RowsUnaccounted     · permanent: read ≠ loaded + rejected + filtered + deduplicated
    └── RunError
        ├── AlreadyRunning      · permanent: the lease of the pipeline is held by a living run
        ├── LeaseLost           · permanent: the lease could not be renewed, so the run stopped itself
        ├── RawUnusable         · permanent: raw data cannot be kept, or cannot be loaded again
        └── UnknownRun          · permanent: no run of that name in the history

`Transient` and `Permanent` decide about retries; nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Transient:
    """Mark of an error that may not happen again if the same thing is tried later."""


class Permanent:
    """Mark of an error for which trying again is useless until somebody changes something."""


class BiefError(Exception):
    """Something went wrong. `what` happened, `where` it happened, and what to `do` about it.

    All three are plain sentences or names without secrets; `str()` joins them into one paragraph.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what = what
        self.where = where
        self.do = do
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} {self.do}" if self.do else head


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in the project folder."""

    file: str
    line: int | None
    what: str
    do: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}" + (f" {self.do}" if self.do else "")


class ProjectError(BiefError, Permanent):
    """The project folder is wrong. Carries all problems found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class SourceError(BiefError):
    """The source did not give what was asked."""


class SourceUnavailable(SourceError, Transient):
    """The source did not answer, or said that it cannot answer now."""

    def __init__(self, what: str, *, where: str = "", do: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(what, where=where, do=do)
        self.retry_after_seconds = retry_after_seconds


class SourceRefused(SourceError, Permanent):
    """The source understood the request and refused it."""


class SourceMisread(SourceError, Permanent):
    """The source answered with something else than the project file declares."""


class SourceChanged(SourceError, Transient):
    """What was read since the last position does not hold any more: the read is begun anew from there, at once.

    A file was replaced while it was read, a table got another column, a column turned out to be text after all.
    """


class DestinationError(BiefError):
    """The destination did not take what was sent."""


class DestinationUnavailable(DestinationError, Transient):
    """The destination cannot be reached, or did not free a lock in time."""


class CommitInDoubt(DestinationError, Transient):
    """COMMIT was sent and no reply came: the load may have landed or not.

    Trying the same load again, with the same batch id, settles it (docs/guarantees.md).
    """


class DestinationRefused(DestinationError, Permanent):
    """The destination refused a statement, and will refuse it again."""


class RowsRefused(DestinationRefused):
    """The destination refused the values of some rows: a rule of the table, or a type that cannot hold them."""


class Fenced(DestinationError, Permanent):
    """Another run has taken this stream over: this one must write nothing more."""


class GuardError(BiefError):
    """The rows themselves forbid a commit."""


class TooManyRejected(GuardError, Permanent):
    """More rows were rejected than `max_rejected` allows."""


class ContractBroken(GuardError, Permanent):
    """Something does not fit a table whose contract is `freeze`."""


class CheckFailed(GuardError, Permanent):
    """A check of severity `fail` does not hold, or a check cannot be made with the columns that there are."""


class RowsUnaccounted(GuardError, Permanent):
    """The conservation law does not hold: some row is neither loaded nor accounted for."""


class RunError(BiefError):
    """A run cannot start, or cannot go on."""


class AlreadyRunning(RunError, Permanent):
    """The pipeline is being run by somebody else."""


class LeaseLost(RunError, Permanent):
    """The lease could not be renewed in time."""


class RawUnusable(RunError, Permanent):
    """Raw data cannot be written, is missing or damaged, or must not be loaded again the way it was asked."""


class UnknownRun(RunError, Permanent):
    """No run of that name."""
