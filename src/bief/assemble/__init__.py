"""Joins what the project file declares: the only floor that names concrete parts."""

from bief.assemble.connections import Connection
from bief.assemble.joining import json_schema
from bief.assemble.previewing import Preview
from bief.assemble.project import Project
from bief.state.records import RunRecord

__all__ = ["Connection", "Preview", "Project", "RunRecord", "json_schema"]
