"""Bief carries data from where it is made to where it is used: exactly once, nothing lost.

import bief

with bief.Project.load("shop") as project:
    receipt = project.run("orders")
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from bief.assemble import Project

__all__ = ["Project", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> typing.Any:
    # `bief --help` must not wait for the machinery that a project needs.
    if name == "Project":
        return importlib.import_module("bief.assemble").Project
    raise AttributeError(f"module 'bief' has no attribute '{name}'")
