"""What a name says about a file: its format and its compression.

| ending | format | | ending | compression |
|---|---|---|---|---|
| `.csv`, `.tsv` | csv | | `.gz` | gzip |
| `.json` | json | | `.zst` | zstd |
| `.jsonl`, `.ndjson` | jsonl | | `.zip` | zip |
| `.parquet` | parquet | | | |
| `.arrow`, `.feather`, `.ipc` | arrow | | | |
| `.xlsx` | excel | | | |
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

Format = Literal["csv", "json", "jsonl", "parquet", "arrow", "excel"]
Compression = Literal["auto", "none", "gzip", "zstd", "zip"]
Packing = Literal["none", "gzip", "zstd", "zip"]

TAB_ENDING: Final = ".tsv"
FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    TAB_ENDING: "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
}
PACKINGS: Final[dict[str, Packing]] = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
# The whole file has one set of types, known before its first row is given.
TYPED: Final[frozenset[Format]] = frozenset({"csv", "parquet", "arrow", "excel"})
# These are read at their end first, so they must lie on this machine as they are.
NEEDS_PATH: Final[frozenset[Format]] = frozenset({"parquet", "arrow", "excel"})


def packing_of(name: str, declared: Compression) -> Packing:
    """How a file is compressed."""
    return PACKINGS.get(_ending(name), "none") if declared == "auto" else declared


def unpacked_name(name: str, packing: Packing) -> str:
    """The name of what is inside: `orders.csv.gz` → `orders.csv`."""
    is_named_so = packing != "none" and PACKINGS.get(_ending(name)) == packing
    return name[: -len(_ending(name))] if is_named_so else name


def format_of(name: str) -> Format | None:
    """The format that the name of an uncompressed file tells."""
    return FORMATS.get(_ending(name))


def ending_is_tab(name: str) -> bool:
    """Whether the name is that of a file with tabs between its values, compressed or not."""
    return _ending(unpacked_name(name, packing_of(name, "auto"))) == TAB_ENDING


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
