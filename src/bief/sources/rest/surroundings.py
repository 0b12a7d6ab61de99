"""What all parts of one REST source share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bief.base.events import SourceWarned
from bief.http.client import HttpClient
from bief.ports.runtime import Runtime
from bief.sources.rest.options import RestOptions


@dataclass(frozen=True)
class Surroundings:
    """The source's name, its options, its client and its server. Safe to share by threads."""

    name: str
    options: RestOptions
    client: HttpClient
    base_url: Callable[[], str]
    runtime: Runtime

    @property
    def parallel(self) -> int:
        return self.options.parallel_requests

    def warn(self, stream: str, message: str) -> None:
        """Tell the user something that stops nothing."""
        self.runtime.emit(SourceWarned(source=self.name, stream=stream, message=self.runtime.redactor.clean(message)))
