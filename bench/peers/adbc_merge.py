"""By hand: pyarrow reads a CSV file, ADBC copies it into a temporary table, one INSERT … ON CONFLICT merges it.

`adbc_merge.py URL CREATE_TEMPORARY_TABLE MERGE FILE`
"""

import sys

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from pyarrow import csv

url, create_table, merge, path = sys.argv[1:]
types = {
    "amount": pa.decimal128(18, 2),
    "created_at": pa.timestamp("us", "UTC"),
    "updated_at": pa.timestamp("us", "UTC"),
}
options = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
with (
    adbc.connect(url) as connection,
    connection.cursor() as cursor,
    csv.open_csv(path, convert_options=options) as rows,
):
    cursor.execute(create_table)
    cursor.adbc_ingest("incoming", rows, mode="append", temporary=True)
    cursor.execute(merge)
    connection.commit()
