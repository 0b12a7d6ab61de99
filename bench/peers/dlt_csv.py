"""The peer: dlt reads a CSV file and appends it to a new table. `dlt_csv.py URL DATASET FILE HOW`.

HOW is `dicts` (dlt's own reader of CSV files, DuckDB behind it, one dict for each row), `arrow-csv` or `arrow-parquet`
(Arrow tables from pyarrow, loaded by COPY of CSV or by ADBC from Parquet).
"""

import sys
from pathlib import Path

import dlt
import pyarrow as pa
from dlt.sources.filesystem import filesystem, read_csv_duckdb
from pyarrow import csv

url, dataset, path, how = sys.argv[1:]


@dlt.resource(name="orders", write_disposition="append")
def arrow_orders():
    types = {"amount": pa.decimal128(18, 2)}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    with csv.open_csv(path, read_options=csv.ReadOptions(block_size=16 << 20), convert_options=options) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


pipeline = dlt.pipeline("bench_csv", destination=dlt.destinations.postgres(url), dataset_name=dataset)
if how == "dicts":
    files = filesystem(bucket_url=Path(path).parent.as_uri(), file_glob=Path(path).name)
    pipeline.run((files | read_csv_duckdb()).with_name("orders"), write_disposition="append")
else:
    pipeline.run(arrow_orders(), loader_file_format=how.removeprefix("arrow-"))
