"""By hand: ADBC reads from PostgreSQL, DuckDB or pyarrow writes. `adbc_read.py URL QUERY duckdb|parquet FILE`.

PostgreSQL's numbers of any precision come as texts: they are cast to the type that the table declares.
"""

import sys

import adbc_driver_postgresql.dbapi as adbc

url, query, kind, path = sys.argv[1:]
with adbc.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(query)
    reader = cursor.fetch_record_batch()
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(path) as database:
            database.execute(
                "CREATE TABLE orders AS SELECT * REPLACE (CAST(amount AS DECIMAL(18, 2)) AS amount) FROM reader"
            )
    else:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        money = pa.decimal128(18, 2)
        place = reader.schema.get_field_index("amount")
        with pq.ParquetWriter(path, reader.schema.set(place, pa.field("amount", money))) as writer:
            for batch in reader:
                amounts = batch.column(place)
                texts = amounts.storage if isinstance(amounts, pa.ExtensionArray) else amounts
                writer.write_batch(batch.set_column(place, "amount", pc.cast(texts, money)))
