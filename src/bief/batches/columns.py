"""What the reader of a stream knows of its columns: their names, their order, their declared types.

Owned by `batches.rows.RecordReader`, asked by both of its ways, `batches.native` and `batches.strict`. A column is
known by its path: the keys that lead to it in a record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import pyarrow as pa

from bief.base.names import column_name, column_names
from bief.batches.schema import JSON, TEXT

Path: TypeAlias = tuple[str, ...]


class Columns:
    """Names are given when a column first has a value, and stay, so that later batches cannot mix two columns up."""

    def __init__(self, declared: Mapping[str, pa.DataType]) -> None:
        self._declared = dict(declared)
        self._names: dict[Path, str] = {}
        self._given: dict[str, str] = {}
        self._ranks: dict[Path, int] = {}
        self._wishes: dict[Path, str] = {}

    def learn(self, paths: Iterable[Path]) -> None:
        """Give a name to each path that has none yet."""
        sources: dict[Path, str] = {}
        for path in paths:
            if path in self._names:
                continue
            source = "__".join(path)
            # The key `a__b` and the key `b` of the object `a` look the same: a mark that names cannot hold tells them.
            while source in self._given or source in sources.values():
                source += "\x00"
            sources[path] = source
        given = column_names(list(sources.values()), self._given)
        for (path, source), name in zip(sources.items(), given, strict=True):
            self._names[path] = self._given[source] = name
            self._ranks[path] = len(self._ranks)

    def name(self, path: Path) -> str:
        """The name of a learnt path; of another one, the name that it would like to have."""
        return self._names.get(path) or self._wish(path)

    def is_free(self, name: str) -> bool:
        """Whether no learnt path has that name."""
        return name not in self._given.values()

    def in_order(self, paths: Collection[Path]) -> list[Path]:
        """The paths in the order in which the stream first showed them; paths that are not learnt come last."""
        return sorted(paths, key=lambda path: self._ranks.get(path, len(self._ranks)))

    def declared(self, path: Path) -> pa.DataType | None:
        """The declared type of a column, by the name that it would like to have: that one never changes."""
        return self._declared.get(self._wish(path)) if self._declared else None

    def is_whole(self, path: Path) -> bool:
        """Whether whatever stands at `path` is one column, even an object: it is declared as json or as text."""
        return self.declared(path) in {JSON, TEXT}

    def _wish(self, path: Path) -> str:
        wish = self._wishes.get(path)
        if wish is None:
            wish = self._wishes[path] = column_name("__".join(path))
        return wish
