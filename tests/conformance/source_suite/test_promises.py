"""What `ports.source.Source` promises, asked of every kind of source: the suite that plug-ins use too."""

from bief.testing.source_suite import *  # noqa: F403 - the tests
