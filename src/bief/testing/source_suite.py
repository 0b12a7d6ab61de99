"""What `ports.source.Source` promises, asked of one offer of a source.

A test module imports these functions with `*` and defines two pytest fixtures: `runtime`, a `ports.runtime.Runtime`
whose redactor has learnt `CANARY`, and `offer`, an open `Offer` made with it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from bief.batches.batch import ROW_NUMBER, Batch, Position
from bief.ports.registry import source_class
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.testing import CANARY, Offer


def ids(batches: Iterable[Batch]) -> list[Any]:
    """The column `id` of all rows, in order."""
    return [value for batch in batches if batch.rows.num_rows for value in batch.rows.column("id").to_pylist()]


def as_another_process_gets_it(position: Position | None) -> Position | None:
    """The position after a trip through JSON, as a destination keeps it."""
    return None if position is None else Position(json.loads(json.dumps(dict(position.value))), position.complete)


def committed(batches: Sequence[Batch]) -> Sequence[Batch]:
    """The batches up to the last one with a position: what is visible if the read ends there."""
    places = [number for number, batch in enumerate(batches) if batch.position is not None]
    return batches[: places[-1] + 1] if places else []


def declared(offer: Offer) -> Stream:
    """The stream of the offer, as its source declares it."""
    (found,) = [stream for stream in offer.source.streams() if stream.name == offer.stream]
    return found


def test_the_registry_knows_the_kind(offer: Offer) -> None:
    found: object = source_class(offer.source.kind)
    assert found is type(offer.source)


def test_an_unknown_option_is_refused(offer: Offer) -> None:
    try:
        offer.source.Options.model_validate({"nobody_knows_this": 1})
    except ValidationError as error:
        assert "nobody_knows_this" in str(error)  # noqa: PT017 - pytest is not imported here
    else:
        raise AssertionError("an option that nobody knows was taken")


def test_streams_are_declared_and_always_the_same(offer: Offer) -> None:
    streams = offer.source.streams()

    assert all(isinstance(stream, Stream) for stream in streams)
    assert offer.stream in [stream.name for stream in streams]
    assert list(offer.source.streams()) == list(streams)


def test_a_full_read_gives_every_row_once_in_order(offer: Offer) -> None:
    assert ids(offer.source.read(offer.stream, None)) == list(offer.ids)


def test_the_last_batch_and_only_it_is_complete(offer: Offer) -> None:
    batches = list(offer.source.read(offer.stream, None))

    assert [batch.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert len(batches) >= offer.batches


def test_every_record_is_accounted_for_and_can_be_found_again(offer: Offer) -> None:
    for batch in offer.source.read(offer.stream, None):
        assert batch.read == batch.rows.num_rows + len(batch.rejected)
        assert batch.rows.schema.field(ROW_NUMBER).type == pa.int64()
        if batch.rows.num_rows:
            numbers: list[Any] = batch.rows.column(ROW_NUMBER).to_pylist()
            keys = batch.rows.column("id").to_pylist()
            assert [json.loads(batch.provenance.raw(number))["id"] for number in numbers] == keys
            assert all(batch.provenance.origin(number) for number in numbers)


def test_keys_are_columns(offer: Offer) -> None:
    stream = declared(offer)
    for batch in offer.source.read(offer.stream, None):
        if batch.rows.num_rows:
            assert set(stream.primary_key) <= set(batch.rows.column_names)
        if batch.deleted is not None:
            assert batch.deleted.column_names == list(stream.primary_key)


def test_a_read_goes_on_after_every_position_without_loss_and_without_repetition(offer: Offer) -> None:
    batches = list(offer.source.read(offer.stream, None))
    for number, batch in enumerate(batches[:-1]):
        if batch.position is None:
            continue
        remaining = list(offer.source.read(offer.stream, as_another_process_gets_it(batch.position)))

        assert ids(batches[: number + 1]) + ids(remaining) == list(offer.ids)
        assert remaining[-1].complete


def test_a_new_round_follows_a_complete_one(offer: Offer) -> None:
    last = list(offer.source.read(offer.stream, None))[-1]
    second = list(offer.source.read(offer.stream, as_another_process_gets_it(last.position)))

    assert second[-1].complete
    if not declared(offer).incremental:
        assert ids(second) == list(offer.ids)


def test_positions_hold_no_secret(offer: Offer) -> None:
    for batch in offer.source.read(offer.stream, None):
        if batch.position is not None:
            assert CANARY not in json.dumps(dict(batch.position.value))


def test_a_read_that_is_told_to_stop_is_not_complete(offer: Offer, runtime: Runtime) -> None:
    seen = []
    for batch in offer.source.read(offer.stream, None):
        seen.append(batch)
        runtime.stop.set()

    assert not any(batch.complete for batch in seen)
    runtime.stop.clear()
    kept = committed(seen)
    since = as_another_process_gets_it(kept[-1].position) if kept else None
    assert ids(kept) + ids(offer.source.read(offer.stream, since)) == list(offer.ids)


def test_a_sample_is_small_and_the_beginning(offer: Offer) -> None:
    batch = offer.source.sample(offer.stream, 3)

    assert ids([batch]) == list(offer.ids[:3])


def test_several_threads_may_read(offer: Offer) -> None:
    found = {}

    def read(name: int) -> None:
        found[name] = ids(offer.source.read(offer.stream, None))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {number: list(offer.ids) for number in range(3)}


def test_check_and_close(offer: Offer) -> None:
    offer.source.check()
    offer.source.close()
    offer.source.close()
