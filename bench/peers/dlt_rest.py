"""The peer: dlt reads pages by its REST client and merges them. `dlt_rest.py BASE_URL POSTGRES_URL DATASET`."""

import sys

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

base_url, postgres_url, dataset = sys.argv[1:]


@dlt.resource(name="invoices", primary_key="id", write_disposition="merge")
def invoices():
    paginator = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
    yield from RESTClient(base_url=base_url, paginator=paginator, data_selector="items").paginate("/items")


pipeline = dlt.pipeline("bench_rest", destination=dlt.destinations.postgres(postgres_url), dataset_name=dataset)
pipeline.run(invoices())
