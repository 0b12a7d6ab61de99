"""The peer: connectorx reads, DuckDB or pyarrow writes. `connectorx_read.py URL QUERY duckdb|parquet FILE`."""

import sys

import connectorx

url, query, kind, path = sys.argv[1:]
orders = connectorx.read_sql(url, query, return_type="arrow", protocol="binary")
if kind == "duckdb":
    import duckdb

    with duckdb.connect(path) as database:
        database.execute("CREATE TABLE orders AS SELECT * FROM orders")
else:
    import pyarrow.parquet as pq

    pq.write_table(orders, path)
