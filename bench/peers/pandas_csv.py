"""The peer: pandas reads a CSV file in parts and writes each with to_sql. `pandas_csv.py URL SCHEMA FILE`."""

import sys

import pandas as pd
import sqlalchemy as sa

url, schema, path = sys.argv[1:]
engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
with engine.begin() as connection:
    connection.execute(sa.schema.CreateSchema(schema))
    for part in pd.read_csv(path, chunksize=50_000, parse_dates=["day", "created_at", "updated_at"]):
        part.to_sql(
            "orders", connection, schema=schema, if_exists="append", index=False, method="multi", chunksize=5_000
        )
