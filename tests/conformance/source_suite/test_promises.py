"""What `ports.source.Source` promises, asked of every kind of source."""

import json
import threading

import pyarrow as pa
import pytest
from offers import CANARY
from pydantic import ValidationError

from bief.batches.batch import ROW_NUMBER, Position
from bief.ports.registry import source_class
from bief.ports.source import Stream


def ids(batches):
    return [value for batch in batches if batch.rows.num_rows for value in batch.rows.column("id").to_pylist()]


def as_another_process_gets_it(position):
    return Position(json.loads(json.dumps(dict(position.value))), position.complete)


def test_the_registry_knows_the_kind(offer):
    assert source_class(offer.source.kind) is type(offer.source)


def test_an_unknown_option_is_refused(offer):
    with pytest.raises(ValidationError, match="nobody_knows_this"):
        offer.source.Options.model_validate({"nobody_knows_this": 1})


def test_streams_are_declared_and_always_the_same(offer):
    streams = offer.source.streams()

    assert all(isinstance(stream, Stream) for stream in streams)
    assert offer.stream in [stream.name for stream in streams]
    assert list(offer.source.streams()) == list(streams)


def test_a_full_read_gives_every_row_once_in_order(offer):
    assert ids(offer.source.read(offer.stream, None)) == list(offer.ids)


def test_the_last_batch_and_only_it_is_complete(offer):
    batches = list(offer.source.read(offer.stream, None))

    assert [batch.position.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert len(batches) > 2


def test_every_record_is_accounted_for_and_can_be_found_again(offer):
    for batch in offer.source.read(offer.stream, None):
        assert batch.read == batch.rows.num_rows + len(batch.rejected)
        assert batch.rows.schema.field(ROW_NUMBER).type == pa.int64()
        if batch.rows.num_rows:
            numbers, keys = (batch.rows.column(name).to_pylist() for name in (ROW_NUMBER, "id"))
            assert [json.loads(batch.provenance.raw(number))["id"] for number in numbers] == keys
            assert all(batch.provenance.origin(number) for number in numbers)


def test_keys_are_columns(offer):
    (declared,) = [stream for stream in offer.source.streams() if stream.name == offer.stream]
    for batch in offer.source.read(offer.stream, None):
        if batch.rows.num_rows:
            assert set(declared.primary_key) <= set(batch.rows.column_names)
        if batch.deleted is not None:
            assert batch.deleted.column_names == list(declared.primary_key)


def test_a_read_goes_on_after_every_batch_without_loss_and_without_repetition(offer):
    batches = list(offer.source.read(offer.stream, None))
    for number, batch in enumerate(batches[:-1]):
        remaining = list(offer.source.read(offer.stream, as_another_process_gets_it(batch.position)))

        assert ids(batches[: number + 1]) + ids(remaining) == list(offer.ids)
        assert remaining[-1].position.complete


def test_a_new_round_follows_a_complete_one(offer):
    last = list(offer.source.read(offer.stream, None))[-1]
    second = list(offer.source.read(offer.stream, as_another_process_gets_it(last.position)))

    assert second[-1].position.complete
    (declared,) = [stream for stream in offer.source.streams() if stream.name == offer.stream]
    if not declared.incremental:
        assert ids(second) == list(offer.ids)


def test_positions_hold_no_secret(offer):
    for batch in offer.source.read(offer.stream, None):
        assert CANARY not in json.dumps(dict(batch.position.value))


def test_a_read_that_is_told_to_stop_is_not_complete(offer, runtime):
    seen = []
    for batch in offer.source.read(offer.stream, None):
        seen.append(batch)
        runtime.stop.set()

    assert not any(batch.position.complete for batch in seen)
    runtime.stop.clear()
    remaining = list(offer.source.read(offer.stream, as_another_process_gets_it(seen[-1].position)))
    assert ids(seen) + ids(remaining) == list(offer.ids)


def test_a_sample_is_small_and_the_beginning(offer):
    batch = offer.source.sample(offer.stream, 3)

    assert ids([batch]) == list(offer.ids[:3])


def test_several_threads_may_read(offer):
    found = {}

    def read(name):
        found[name] = ids(offer.source.read(offer.stream, None))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {number: list(offer.ids) for number in range(3)}


def test_check_and_close(offer):
    offer.source.check()
    offer.source.close()
    offer.source.close()
