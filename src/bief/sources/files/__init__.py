"""Files as a source: CSV, JSON, JSON lines, Parquet, Arrow IPC, Excel; plain or compressed; local, HTTP(S), S3."""
