"""What a batch of a REST source says of each of its records."""

from __future__ import annotations

import json

from bief.base.clock import SystemClock
from bief.batches.rows import RecordReader
from bief.sources.rest.collecting import Collector, Part


def part(parent, *records):
    texts = [json.dumps(each).encode() for each in records]
    return Part(records=texts, bad=(), label=f"of {parent}", after={}, complete=False, parent=parent)


def test_the_raw_record_has_the_key_of_its_parent_that_stands_beside_it():
    collector = Collector(RecordReader(), SystemClock(), parent_column="customer_id")
    collector.add(part(7, {"id": 1}, {"id": 2}))
    collector.add(part(8, {"id": 3}))
    batch = collector.taken(complete=True)
    raw = [json.loads(batch.provenance.raw(number)) for number in range(3)]
    assert raw == [{"customer_id": 7, "id": 1}, {"customer_id": 7, "id": 2}, {"customer_id": 8, "id": 3}]
    assert batch.rows.column("customer_id").to_pylist() == [7, 7, 8]


def test_without_a_parent_the_raw_record_is_its_own_text():
    collector = Collector(RecordReader(), SystemClock())
    collector.add(Part(records=[b'{"a": 1.10}'], bad=(), label="page 1", after={}, complete=True))
    assert collector.taken(complete=True).provenance.raw(0) == '{"a": 1.10}'
