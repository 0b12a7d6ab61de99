"""The peer: dlt reads the pages by its own REST client and merges them into PostgreSQL.

`python dlt_rest.py BASE_URL POSTGRES_URL` prints the number of rows loaded. Run by `bench/rest.py` in an environment
of its own.
"""

import sys

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

base_url, postgres_url = sys.argv[1:]


@dlt.resource(name="invoices", primary_key="id", write_disposition="merge")
def invoices():
    paginator = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
    yield from RESTClient(base_url=base_url, paginator=paginator, data_selector="items").paginate("/items")


pipeline = dlt.pipeline(
    "bench_rest", destination=dlt.destinations.postgres(postgres_url), dataset_name="bench_dlt", dev_mode=False
)
pipeline.run(invoices())
with pipeline.sql_client() as client:
    print(client.execute_sql("SELECT count(*) FROM invoices")[0][0])
