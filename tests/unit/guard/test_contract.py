"""The contract: the table's types stand, what does not fit leaves, nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.rows import RecordReader
from bief.batches.schema import BINARY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, JSON, TEXT, TIMESTAMP
from bief.batches.shaping import ColumnRule, Shape, shape
from bief.errors import ContractBroken
from bief.guard.contract import fit, must_fit
from bief.guard.misfits import Misfit
from bief.ports.destination import AddColumn, WidenColumn

MONEY = pa.decimal128(18, 2)


def table(**columns):
    length = max((len(values) for values in columns.values()), default=0)
    return pa.table({**columns, ROW_NUMBER: pa.array(range(length), pa.int64())})


def schema(**types):
    return pa.schema(list(types.items()))


def declared(**types):
    return Shape(columns={name: ColumnRule(type=arrow_type) for name, arrow_type in types.items()})


def test_a_new_table_gets_the_types_of_the_values():
    rows = table(
        id=[1, 2],
        at=["2024-01-01T10:00:00+02:00", None],
        day=["2024-01-01", "2024-01-02"],
        code=["00123", "5"],
        nothing=pa.nulls(2),
        tags=pa.array(["[1]", None]).cast(JSON),
    )
    fitted = fit(rows, None, Shape(), ["id"])
    assert fitted.rows.to_pydict() == {
        "id": [1, 2],
        "at": [datetime(2024, 1, 1, 8, tzinfo=UTC), None],
        "day": [date(2024, 1, 1), date(2024, 1, 2)],
        "code": ["00123", "5"],
        "tags": ["[1]", None],
    }
    assert fitted.changes == [
        AddColumn("id", INTEGER),
        AddColumn("at", TIMESTAMP),
        AddColumn("day", DATE),
        AddColumn("code", TEXT),
        AddColumn("tags", JSON),
    ]
    assert (fitted.misfits, fitted.warnings) == ([], [])


def test_a_declared_type_is_cast_to_and_its_misfits_leave():
    fitted = fit(table(a=["1.50", "n/a", "2.555", None]), None, declared(a=MONEY))
    assert fitted.rows.column("a").to_pylist() == [Decimal("1.50"), None]
    assert fitted.changes == [AddColumn("a", MONEY)]
    assert fitted.misfits == [
        Misfit(1, "a", "type", "'n/a' is not a decimal(18,2)"),
        Misfit(2, "a", "type", "'2.555' is not a decimal(18,2)"),
    ]


def test_the_type_of_the_table_stands_and_what_does_not_fit_is_a_misfit():
    rows = table(at=["2024-01-01T10:00:00Z", "n/a", None], n=["5", "6", "7"])
    fitted = fit(rows, schema(at=TIMESTAMP, n=INTEGER, other=TEXT), Shape())
    assert fitted.rows.to_pydict() == {"at": [datetime(2024, 1, 1, 10, tzinfo=UTC), None], "n": [5, 7]}
    assert fitted.misfits == [Misfit(1, "at", "type", "'n/a' is not a timestamp")]
    assert fitted.changes == []


def test_26_a_column_that_turns_to_text_keeps_its_type_and_rejects_only_the_text():
    records = [b'{"id": 1}', b'{"id": "two"}', b'{"id": 3}']
    rows = RecordReader().read(records, str).rows
    fitted = fit(rows, schema(id=INTEGER), Shape())
    assert fitted.rows.column("id").to_pylist() == [1, 3]
    assert fitted.misfits == [Misfit(1, "id", "type", "'two' is not an integer")]


def test_a_declared_type_that_differs_from_the_table_is_a_warning():
    fitted = fit(table(a=[1]), schema(a=INTEGER, b=TEXT), declared(a=MONEY, b=TEXT, c=DATE))
    assert fitted.rows.schema.field("a").type == INTEGER
    (warning,) = fitted.warnings
    assert warning.startswith("Column a is declared as decimal(18,2), but the table has it as integer, which stands")
    assert "--full-refresh" in warning


def test_a_column_without_values_adds_nothing_but_fits_a_column_that_is_there():
    rows = table(a=pa.array([None, None], TEXT), b=[1, 2])
    assert fit(rows, None, declared(a=MONEY)).changes == [AddColumn("b", INTEGER)]
    fitted = fit(rows, schema(a=MONEY, b=INTEGER), Shape())
    assert fitted.rows.schema == schema(a=MONEY, b=INTEGER)
    assert fitted.rows.column("a").null_count == 2


def test_a_new_column_of_which_only_misfits_had_values_is_not_added():
    fitted = fit(table(id=[1, None], extra=[None, "x"]), schema(id=INTEGER), Shape(), ["id"])
    assert fitted.changes == []
    assert fitted.rows.to_pydict() == {"id": [1]}


@pytest.mark.parametrize(
    "rows", [table(id=[None, 1], x=["a", "b"]), table(x=["a", "b"]), table(id=pa.nulls(2), x=["a", "b"])]
)
def test_57_a_row_without_its_primary_key_is_a_misfit(rows):
    fitted = fit(rows, None, Shape(), ["id"])
    assert {misfit.rule for misfit in fitted.misfits} == {"primary_key"}
    assert {misfit.column for misfit in fitted.misfits} == {"id"}
    assert fitted.rows.num_rows + len(fitted.misfits) == 2
    assert fitted.misfits[0].row_number == 0


def test_a_row_that_is_wrong_twice_is_one_misfit():
    fitted = fit(table(id=[None, 2], a=["x", "y"], b=["x", "1"]), schema(a=INTEGER, b=INTEGER), Shape(), ["id"])
    assert [(misfit.row_number, misfit.column) for misfit in fitted.misfits] == [(0, "id"), (1, "a")]
    assert fitted.rows.num_rows == 0


@pytest.mark.parametrize(
    ("column", "is_refused"),
    [
        (pa.array(["a\x00b"]), True),
        (pa.array(["a\\u0000b"]), False),
        (pa.array(['["\\u0000"]']).cast(JSON), True),
        (pa.array(['["\\\\\\u0000"]']).cast(JSON), True),
        (pa.array(['["\\\\u0000"]']).cast(JSON), False),
        (pa.array(['["\\u0001"]']).cast(JSON), False),
    ],
)
def test_13_51_a_nul_character_is_refused_where_it_cannot_be_stored(column, is_refused):
    refused = fit(table(a=column), None, Shape())
    assert [misfit.rule for misfit in refused.misfits] == (["nul_character"] if is_refused else [])
    assert fit(table(a=column), None, Shape(), refuse_nul=False).misfits == []


@pytest.mark.parametrize(
    ("old", "values", "new"),
    [
        (INTEGER, [Decimal(2**63)], pa.decimal128(38, 0)),
        (INTEGER, [10.5], pa.decimal128(38, 9)),
        (INTEGER, [0.1 + 0.2], pa.decimal128(38, 18)),
        (INTEGER, [Decimal("0.0000000001")], pa.decimal128(38, 18)),
        (MONEY, [Decimal("1.555")], pa.decimal128(38, 9)),
        (MONEY, [10**16], pa.decimal128(38, 2)),
        (MONEY, [10**28 + Decimal(0)], pa.decimal128(38, 2)),
        (pa.decimal128(36, 2), [Decimal("1.5555")], pa.decimal128(38, 4)),
        (pa.decimal128(38, 9), [0.12345678901], pa.decimal128(38, 9)),
        (pa.decimal128(38, 0), [1.5], pa.decimal128(38, 0)),
        (INTEGER, [5.0], INTEGER),
        (INTEGER, [1e-30], INTEGER),
        (INTEGER, [1e300], INTEGER),
        (INTEGER, [float("nan")], INTEGER),
        (INTEGER, ["1.5"], INTEGER),
        (INTEGER, [True], INTEGER),
        (FLOAT, [2**53 + 1], FLOAT),
        (BOOLEAN, [5], BOOLEAN),
        (DATE, ["2024-01-01T00:00:00Z"], DATE),
    ],
)
def test_types_widen_only_where_nothing_old_or_new_is_lost(old, values, new):
    fitted = fit(table(a=values), schema(a=old), Shape())
    assert fitted.changes == ([] if new == old else [WidenColumn("a", old, new)])
    assert fitted.rows.schema.field("a").type == new
    if new != old:
        exact = [Decimal(repr(value)) if isinstance(value, float) else Decimal(value) for value in values]
        assert fitted.rows.column("a").to_pylist() == exact


def test_one_absurd_number_is_a_misfit_and_the_column_widens_for_the_others():
    fitted = fit(table(a=[1e300, 10.5, 1e-30]), schema(a=INTEGER), Shape())
    assert fitted.changes == [WidenColumn("a", INTEGER, pa.decimal128(38, 9))]
    assert fitted.rows.column("a").to_pylist() == [Decimal("10.5")]
    assert [misfit.row_number for misfit in fitted.misfits] == [0, 2]


def test_a_declared_column_never_widens():
    fitted = fit(table(a=[Decimal("1.555")]), schema(a=MONEY), declared(a=MONEY))
    assert fitted.changes == []
    assert fitted.misfits == [Misfit(0, "a", "type", "'1.555' is not a decimal(18,2)")]


def test_text_and_json_accept_every_scalar():
    rows = table(a=[1, 2], b=[True, None], c=["x", "2024-01-01"])
    assert fit(rows, schema(a=TEXT, b=JSON, c=JSON), Shape()).rows.to_pydict() == {
        "a": ["1", "2"],
        "b": ["true", None],
        "c": ['"x"', '"2024-01-01"'],
    }


def test_64_a_list_in_a_column_of_integers_is_a_misfit_and_the_integers_are_not():
    rows = RecordReader().read([b'{"a": 1}', b'{"a": [2]}', b'{"a": 3}'], str).rows
    fitted = fit(rows, schema(a=INTEGER), Shape())
    assert fitted.rows.column("a").to_pylist() == [1, 3]
    assert fitted.misfits == [Misfit(1, "a", "type", "'[2]' is not an integer")]


def test_row_numbers_are_those_of_the_records_and_leave_with_the_contract():
    rows = pa.table({"a": ["x", "5"], ROW_NUMBER: [17, 18]})
    fitted = fit(rows, schema(a=INTEGER), Shape())
    assert fitted.misfits[0].row_number == 17
    assert fitted.rows.column_names == ["a"]


def test_a_reason_shows_the_start_of_a_long_value():
    fitted = fit(table(a=["x" * 5000]), schema(a=INTEGER), Shape())
    assert fitted.misfits[0].reason == f"'{'x' * 80}…' is not an integer"


@pytest.mark.parametrize("rows", [table(), table(a=[]), table(a=pa.nulls(0))])
def test_a_batch_without_rows_changes_nothing(rows):
    fitted = fit(rows, None, declared(a=MONEY), ["id"])
    assert (fitted.rows.num_rows, fitted.misfits, fitted.changes) == (0, [], [])


TYPES = st.sampled_from([TEXT, INTEGER, FLOAT, MONEY, BOOLEAN, DATE, TIMESTAMP, DATETIME, JSON, BINARY])
VALUES = st.lists(
    st.none()
    | st.sampled_from(
        ["x", "5", "1.5", "2024-01-01", "2024-01-01T10:00:00Z", "true", "\x00", 5, 2**70, 1.5, True, [1], {"b": 2}]
    ),
    max_size=6,
)


@given(VALUES, VALUES, st.dictionaries(st.sampled_from("ab"), TYPES), st.dictionaries(st.sampled_from("abc"), TYPES))
def test_every_row_fits_or_is_a_misfit_and_the_types_are_those_of_the_table(left, right, known, types):
    records = [{"a": one, "b": other} for one, other in zip(left, right, strict=False)]
    reader = RecordReader(types)
    read = reader.read([json.dumps(record).encode() for record in records], str)
    table_schema = pa.schema(list(known.items())) if known else None
    fitted = fit(read.rows, table_schema, declared(**types), ["a"])
    assert fitted.rows.num_rows + len(fitted.misfits) + len(read.rejected) == len(records)
    assert len({misfit.row_number for misfit in fitted.misfits}) == len(fitted.misfits)
    after = dict(known)
    for change in fitted.changes:
        if isinstance(change, AddColumn):
            assert change.name not in after
            after[change.name] = change.type
        else:
            assert after[change.name] == change.old
            after[change.name] = change.new
    assert {field.name: field.type for field in fitted.rows.schema}.items() <= after.items()
    if "a" in fitted.rows.column_names:
        assert fitted.rows.column("a").null_count == 0
    again = fit(read.rows, pa.schema(list(after.items())), declared(**types), ["a"])
    assert again.rows == fitted.rows
    assert again.changes == []


KNOWN = schema(id=INTEGER, at=TIMESTAMP, paid=MONEY)


def closed(contract, known=KNOWN, **columns):
    return fit(table(**columns), known, declared(paid=MONEY, later=DATE), ["id"], contract=contract)


@pytest.mark.parametrize("contract", ["freeze", "divert"])
def test_a_closed_table_gets_no_column_and_no_wider_type(contract):
    fitted = closed(contract, id=[1, 2, 3], note=[None, "x", None], nothing=pa.nulls(3), paid=[1, 2, 3])
    assert fitted.changes == []
    assert fitted.rows.to_pydict() == {"id": [1, 3], "paid": [Decimal(1), Decimal(3)]}
    assert fitted.misfits == [Misfit(1, "note", "contract", "the table has no column 'note'")]
    wide = fit(table(id=[1.5, 2]), schema(id=INTEGER), Shape(), contract=contract)
    assert wide.changes == []
    rule = "contract" if contract == "divert" else "type"
    assert wide.misfits == [Misfit(0, "id", rule, "'1.5' is not an integer")]


def test_the_load_that_makes_a_closed_table_gives_it_all_declared_columns():
    for contract in ("freeze", "divert"):
        fitted = closed(contract, None, id=[1], note=["x"])
        assert fitted.changes == [
            AddColumn("id", INTEGER),
            AddColumn("note", TEXT),
            AddColumn("paid", MONEY),
            AddColumn("later", DATE),
        ]
        assert fitted.rows.to_pydict() == {"id": [1], "note": ["x"], "paid": [None], "later": [None]}
    assert closed("evolve", None, id=[1]).changes == [AddColumn("id", INTEGER)]


def test_a_frozen_table_names_the_column_the_row_and_what_to_do():
    provenance = Provenance(origin=lambda number: f"page 2, record {number + 1}")
    must_fit(closed("freeze", id=[1], at=["2024-01-01T00:00:00Z"]), provenance)
    with pytest.raises(ContractBroken) as caught:
        must_fit(closed("freeze", id=[1, 2, 3], at=["2024-01-01T00:00:00Z", "n/a", "x"]), provenance)
    assert caught.value.what == (
        "page 2, record 2 breaks the contract 'freeze': column 'at': 'n/a' is not a timestamp. "
        "So do 1 more rows of this batch."
    )
    assert "contract: evolve" in caught.value.do


def test_the_types_of_a_typed_batch_stand_and_nothing_is_guessed():
    rows = table(day=["2024-01-01"], empty=pa.array([None], DATE), unknown=pa.nulls(1), code=pa.array([None], TEXT))
    fitted = fit(shape(rows, Shape()), None, Shape(), typed=True)
    assert fitted.changes == [AddColumn("day", TEXT), AddColumn("empty", DATE), AddColumn("code", TEXT)]
    assert fitted.rows.to_pydict() == {"day": ["2024-01-01"], "empty": [None], "code": [None]}
    guessed = fit(shape(rows, Shape()), None, Shape())
    assert guessed.changes == [AddColumn("day", DATE)]


def test_a_declared_type_stands_above_that_of_a_typed_batch_and_misfits_do_not_take_its_columns_away():
    rows = table(id=[1, None], a=pa.array([None, None], TEXT), b=["x", "y"], c=pa.array([None, "z"], TEXT))
    fitted = fit(shape(rows, Shape()), None, declared(a=MONEY, b=INTEGER), ["id"], typed=True)
    assert [change.name for change in fitted.changes] == ["id", "a", "b", "c"]
    assert [change.type for change in fitted.changes] == [INTEGER, MONEY, INTEGER, TEXT]
    assert [misfit.row_number for misfit in fitted.misfits] == [0, 1]


@given(st.lists(st.sampled_from(["1", "x", None]), max_size=12), st.sampled_from(["evolve", "divert"]))
def test_each_row_that_fits_is_still_found_by_its_number(values, contract):
    numbers = pa.array(range(100, 100 + len(values)), pa.int64())
    rows = pa.table({"a": pa.array(values, TEXT), ROW_NUMBER: numbers})
    fitted = fit(rows, schema(a=INTEGER), Shape(), contract=contract)
    kept = [100 + place for place, value in enumerate(values) if value != "x"]
    assert [fitted.row_number(place) for place in range(fitted.rows.num_rows)] == kept
    assert fitted.numbered.column(ROW_NUMBER).to_pylist() == kept
    assert [misfit.row_number for misfit in fitted.misfits] == sorted({*numbers.to_pylist()} - {*kept})


@pytest.mark.parametrize("slice_", [(0, 2), (2, 1), (0, 0)])
def test_a_nul_of_another_slice_is_none_of_this_one(slice_):
    column = pa.chunked_array([pa.array(["a", "b", "\x00", None])]).slice(*slice_)
    fitted = fit(pa.table({"a": column}), None, Shape())
    assert len(fitted.misfits) == (1 if slice_ == (2, 1) else 0)
