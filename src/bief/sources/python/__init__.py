"""A source in Python: functions of a file in the project folder that yield rows."""

from bief.sources.python.source import PythonSource

__all__ = ["PythonSource"]
