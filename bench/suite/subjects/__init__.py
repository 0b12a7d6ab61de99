"""One module per row of the report; `ALL` gives each by the name that `--only` knows.

Each is a function of the surroundings and a number of rows. Those in `GROWING` are also measured on ten times the
rows with `--large`.
"""

from suite.subjects.bad_rows import bad_rows
from suite.subjects.csv_merge import csv_merge
from suite.subjects.csv_new import csv_growing, csv_new
from suite.subjects.events import events, events_growing
from suite.subjects.from_postgres import postgres_to_duckdb, postgres_to_duckdb_growing, postgres_to_parquet
from suite.subjects.rest import rate, rest
from suite.subjects.start import start
from suite.subjects.verify import verify

ALL = {
    "csv": csv_new,
    "merge": csv_merge,
    "duckdb": postgres_to_duckdb,
    "parquet": postgres_to_parquet,
    "rest": rest,
    "events": events,
    "start": start,
    "bad-rows": bad_rows,
    "verify": verify,
}  # Not a comparison of contenders: gives its part of the report itself.
REPORTING = {"rate": rate}
GROWING = {"csv": csv_growing, "duckdb": postgres_to_duckdb_growing, "events": events_growing}
