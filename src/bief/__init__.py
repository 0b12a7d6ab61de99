"""Bief carries data from where it is made to where it is used: exactly once, nothing lost."""

__version__ = "0.1.0"
