"""Files as a source: CSV, JSON, JSON lines, Parquet, Arrow IPC, Excel; plain or compressed; local, HTTP(S), S3."""

from bief.sources.files.source import FilesSource

__all__ = ["FilesSource"]
