"""Bief carries data from where it is made to where it is used: exactly once, nothing lost.

import bief

with bief.Project.load("shop") as project:
    receipt = project.run("orders")
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from bief.assemble import Project
    from bief.ports.declaring import Checkpoint, source

__all__ = ["Checkpoint", "Project", "__version__", "source"]
__version__ = "0.1.0"
_HOMES = {"Project": "bief.assemble", "Checkpoint": "bief.ports.declaring", "source": "bief.ports.declaring"}


def __getattr__(name: str) -> typing.Any:
    # `bief --help` must not wait for the machinery that a project needs.
    if name not in _HOMES:
        raise AttributeError(f"module 'bief' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
