"""Batches in the raw zone, for sources that have no pages and no files: as Arrow, exactly as the source gave them."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import msgspec
import pyarrow as pa

from bief.batches.batch import ROW_NUMBER, Batch, Position, Provenance, RejectedRow
from bief.ports.raw import Kept


def kept_batch(batch: Batch) -> Kept:
    """A batch as one piece. Its raw records are not kept: they can be told from the rows."""
    rows = _written(batch.rows)
    deleted = _written(batch.deleted) if batch.deleted is not None else b""
    about = {
        "rows_bytes": len(rows),
        "typed": batch.typed,
        "rejected": [asdict(row) for row in batch.rejected],
        "position": None
        if batch.position is None
        else {"value": dict(batch.position.value), "complete": batch.position.complete},
    }
    return Kept(about, rows + deleted)


def batch_of(kept: Kept, origin: str) -> Batch:
    """The batch of a piece. `origin` names the piece, for rows that are rejected now."""
    about, size = kept.about, int(kept.about["rows_bytes"])
    rows, deleted = _read(kept.body[:size]), kept.body[size:]
    position = about["position"]
    return Batch(
        rows=rows,
        position=None if position is None else Position(position["value"], bool(position["complete"])),
        rejected=[RejectedRow(**row) for row in about["rejected"]],
        deleted=_read(deleted) if deleted else None,
        provenance=Provenance(raw=_Records(rows).raw, origin=lambda number: f"{origin}, row {number + 1}"),
        typed=bool(about["typed"]),
    )


class _Records:
    """The rows of a batch as records, by the number that ties a row to its record."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._places: dict[int, int] | None = None

    def raw(self, number: int) -> str:
        if self._places is None:
            numbers: list[Any] = (
                self._rows.column(ROW_NUMBER).to_pylist() if ROW_NUMBER in self._rows.column_names else []
            )
            self._places = {each: place for place, each in enumerate(numbers)}
        place = self._places.get(number, number)
        columns = [name for name in self._rows.column_names if name != ROW_NUMBER]
        record = self._rows.select(columns).slice(place, 1).to_pylist()[0]
        return msgspec.json.encode(record, enc_hook=str).decode()


def _written(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def _read(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
