"""The peer: dlt reads nested JSON lines with its own reader and appends them. `dlt_events.py URL DATASET FILE`."""

import sys
from pathlib import Path

import dlt
from dlt.sources.filesystem import filesystem, read_jsonl

url, dataset, path = sys.argv[1:]
files = filesystem(bucket_url=Path(path).parent.as_uri(), file_glob=Path(path).name)
pipeline = dlt.pipeline("bench_events", destination=dlt.destinations.postgres(url), dataset_name=dataset)
pipeline.run((files | read_jsonl()).with_name("events"), write_disposition="append")
