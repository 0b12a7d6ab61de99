"""What is dropped or hidden is not selected, and not hidden twice."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bief.batches.schema import INTEGER, TEXT
from bief.batches.shaping import ColumnRule, Shape
from bief.errors import SourceMisread
from bief.sources.database.hiding import hidden_names, pushed, visible
from bief.sources.database.relations import Column, Relation

DECIMAL = pa.decimal128(38, 9)
RELATION = Relation(
    "shop.people",
    "people",
    (
        Column("Id", "bigint", INTEGER, '"Id"', '"Id"::text'),
        Column("e mail", "text", TEXT, '"e mail"', '"e mail"'),
        Column("rate", "numeric", DECIMAL, "rate::text", "rate::text", undecided=True),
    ),
)


def hide(text, mask):
    return f"{mask or 'hash'}({text})"


def seen(**rules):
    return {column.name: (column.sql, column.type) for column in visible(RELATION, Shape(columns=rules), hide)}


def test_without_rules_all_columns_are_selected_as_they_are():
    assert visible(RELATION, Shape(), hide) == RELATION.columns


def test_columns_are_found_by_their_name_in_the_table():
    found = seen(e_mail=ColumnRule(drop=True), id=ColumnRule(hash=True), rate=ColumnRule(mask="all"))

    assert found == {"Id": ('hash("Id"::text)', TEXT), "rate": ("all(rate::text)", TEXT)}


def test_declared_types_are_asked_of_the_database():
    columns = visible(
        RELATION, Shape(columns={"rate": ColumnRule(type=pa.decimal128(9, 2)), "id": ColumnRule(type=TEXT)}), hide
    )

    assert [(each.sql, each.type, each.declared, each.undecided) for each in columns] == [
        ('"Id"::text', TEXT, True, False),
        ('"e mail"', TEXT, False, False),
        ("rate::text", pa.decimal128(9, 2), True, False),
    ]


def test_a_rule_for_no_column_is_an_error_and_so_is_nothing_to_read():
    with pytest.raises(SourceMisread, match="no column emial"):
        seen(emial=ColumnRule(drop=True))
    with pytest.raises(SourceMisread, match="no column to read"):
        seen(**dict.fromkeys(("id", "e_mail", "rate"), ColumnRule(drop=True)))


def test_what_is_hidden_is_known_by_the_names_of_the_database():
    assert hidden_names(RELATION, Shape(columns={"e_mail": ColumnRule(mask="email")})) == {"e mail"}


def test_the_road_hides_nothing_that_is_hidden_already():
    rules = {"a": ColumnRule(hash=True, rename="b"), "c": ColumnRule(drop=True), "d": ColumnRule(rename="e")}
    left = pushed(Shape(trim=True, columns=rules))

    assert left == Shape(trim=True, columns={"a": ColumnRule(type=TEXT, rename="b"), "d": ColumnRule(rename="e")})
    assert not left.hides("a")
