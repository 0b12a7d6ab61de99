"""Several batches as one."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER, Batch, Provenance, RejectedRow
from bief.sources.files.joining import joined


def batch(name, kept, size, *, arrow_type=None):
    """A file of which the records in `kept` are rows and the others were rejected."""
    rows = pa.table(
        {"at": pa.array(kept, arrow_type or pa.int64()), ROW_NUMBER: pa.array(kept, pa.int64())},
    )
    rejected = [RejectedRow(f"{name}:{at}", "bad", "bad", "") for at in range(size) if at not in kept]
    provenance = Provenance(raw=lambda row: f"{name} {row}", origin=lambda row: f"{name}:{row}")
    return Batch(rows=rows, position=None, rejected=rejected, provenance=provenance)


SIZES = st.lists(st.lists(st.booleans(), max_size=5), min_size=1, max_size=6)


@given(SIZES)
def test_rows_keep_their_order_and_their_places(files):
    made = [
        batch(f"f{number}", [at for at, is_kept in enumerate(marks) if is_kept], len(marks))
        for number, marks in enumerate(files)
    ]
    (one,) = joined(made)
    numbers = one.rows.column(ROW_NUMBER).to_pylist()

    assert one.read == sum(each.read for each in made)
    assert numbers == sorted(set(numbers))
    expected = [f"f{number}:{at}" for number, marks in enumerate(files) for at, is_kept in enumerate(marks) if is_kept]
    assert [one.provenance.origin(number) for number in numbers] == expected
    assert [one.provenance.raw(number) for number in numbers] == [each.replace(":", " ") for each in expected]
    assert len(one.rejected) == one.read - len(expected)


def test_batches_of_other_columns_stay_apart():
    made = [batch("a", [0], 1), batch("b", [0], 1), batch("c", [0], 1, arrow_type=pa.int32()), batch("d", [0], 1)]

    assert [each.rows.num_rows for each in joined(made)] == [2, 1, 1]
    assert joined([]) == []
