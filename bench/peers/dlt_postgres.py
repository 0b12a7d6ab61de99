"""The peer: dlt reads a table of PostgreSQL with its `sql_table`.

`dlt_postgres.py URL SCHEMA BACKEND duckdb|parquet PATH`: BACKEND is `pyarrow` or `connectorx`; PATH a DuckDB file, or
a folder for Parquet files.
"""

import sys
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table

url, schema, backend, kind, path = sys.argv[1:]
options = {"backend_kwargs": {"return_type": "arrow"}} if backend == "connectorx" else {}
orders = sql_table(
    credentials=url.replace("postgresql://", "postgresql+psycopg2://"),
    schema=schema,
    table="orders",
    backend=backend,
    chunk_size=100_000,
    reflection_level="full_with_precision",
    **options,
)
destination = dlt.destinations.duckdb(path) if kind == "duckdb" else dlt.destinations.filesystem(Path(path).as_uri())
pipeline = dlt.pipeline("bench_postgres", destination=destination, dataset_name="bench_dlt")
pipeline.run(orders, loader_file_format="parquet", write_disposition="append")
