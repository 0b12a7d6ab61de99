"""REST APIs as sources. The road of a read is drawn in `source`."""

from bief.sources.rest.options import RestOptions
from bief.sources.rest.source import RestSource

__all__ = ["RestOptions", "RestSource"]
