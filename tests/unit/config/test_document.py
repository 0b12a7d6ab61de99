"""YAML as plain data: bad-input 101 (what YAML allows and we refuse) and 102 (Norway and its friends)."""

import pytest

from bief.config.document import MAX_ALIASED_VALUES, MAX_BYTES, MAX_DEPTH, MAX_VALUES, parse_document, read_document
from bief.errors import ProjectError


def refused(text):
    with pytest.raises(ProjectError) as caught:
        parse_document(text, "bief.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("True", "True"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("+1", "+1"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("1.2.3", "1.2.3"),
        ("2024-02-29", "2024-02-29"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("~", None),
        ("0", 0),
        ("-12", -12),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ('"1"', "1"),
        ("'true'", "true"),
        ("99999999999999999999", 99999999999999999999),
    ],
)
def test_only_the_words_of_json_are_not_text(written, value):
    found = parse_document(f"key: {written}\n", "bief.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_always_text():
    assert parse_document("on: 1\n2024: 2\ntrue: 3\n", "f").data == {"on": 1, "2024": 2, "true": 3}


def test_every_duplicate_key_is_named_with_both_lines():
    first, second = refused("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert (first.line, first.what) == (4, "the key 'c' is given twice; it stands on line 3 already.")
    assert (second.line, second.what) == (5, "the key 'a' is given twice; it stands on line 1 already.")


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "\ta: 1\n"])
def test_tabs_are_named(text):
    (problem,) = refused(text)
    assert "a tab is used where YAML wants spaces" in problem.what
    assert problem.line == text[: text.index("\t")].count("\n") + 1


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['true']", "!!str 5", "!mine 5", "!!binary aGk=", "!!set {a: null}"]
)
def test_tags_are_refused(tag):
    problems = refused(f"a: 1\nb: {tag}\n")
    assert problems[0].line == 2
    assert "YAML tag" in problems[0].what


def test_aliases_are_expanded_where_they_are_few():
    document = parse_document("a: &shared {x: [1, 2]}\nb: *shared\n", "f")
    assert document.data == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}}
    assert document.line_of(("b",)) == 2


def test_a_bomb_of_aliases_is_refused_before_it_goes_off():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (problem,) = refused("\n".join(lines))
    assert problem.what == f"aliases repeat more than {MAX_ALIASED_VALUES} values."


def test_aliases_cannot_hide_depth():
    lines = ["a0: &a0 [[[[[[[[[[1]]]]]]]]]]"]
    lines += [f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 8)]
    (problem,) = refused("\n".join(lines))
    assert problem.what == f"values are nested more than {MAX_DEPTH} levels deep."


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: *nowhere\n"])
def test_a_value_cannot_contain_itself(text):
    (problem,) = refused(text)
    assert "has no complete anchor" in problem.what


def test_merge_keys_are_refused():
    (problem,) = refused("a: &a {b: 1}\nc:\n  <<: *a\n")
    assert (problem.line, problem.what) == (3, "merge keys ('<<') are not supported.")


def test_a_second_document_is_refused():
    (problem,) = refused("a: 1\n---\nb: 2\n")
    assert (problem.line, problem.what) == (2, "a second document starts here.")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 10_000 + "x"])
def test_depth_is_bounded(text):
    (problem,) = refused(text)
    assert problem.what == f"values are nested more than {MAX_DEPTH} levels deep."


def test_the_deepest_allowed_value_is_allowed():
    depth = MAX_DEPTH - 1
    assert parse_document("[" * depth + "1" + "]" * depth, "f").data


def test_the_number_of_values_is_bounded():
    (problem,) = refused("k: [" + "1," * (MAX_VALUES + 1) + "]")
    assert problem.what == f"the file holds more than {MAX_VALUES} values."


def test_the_number_of_problems_is_bounded():
    assert len(refused("a: 1\n" * 5000)) == 51


@pytest.mark.parametrize(
    "text", ['a: "open\n', "a: {b: 1\n", "a: b: c\n", "a: [1, 2\nb: 3\n", "? [1]\n: 2\n", ": 1\n", "a: \x00\n", "{: 1}"]
)
def test_what_is_not_yaml_is_a_problem(text):
    assert refused(text)


def test_large_files_are_not_parsed(tmp_path):
    file = tmp_path / "bief.yaml"
    file.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(ProjectError, match="larger than 1 MiB"):
        read_document(file, "bief.yaml")


def test_other_encodings_are_named_with_their_line(tmp_path):
    file = tmp_path / "bief.yaml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ProjectError) as caught:
        read_document(file, "bief.yaml")
    assert str(caught.value).startswith("bief.yaml:2: the file is not UTF-8 text.")


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path):
    file = tmp_path / "bief.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_document(file, "bief.yaml").data == {"a": 1, "b": 2}


def test_variables_may_stand_unquoted_in_braces():
    text = "auth: {type: bearer, token: ${TOKEN}, url: ${URL:-a, b: c}, list: [${A}, ${B}]}\nnext: '${C} $${D}'\n"
    document = parse_document(text, "f")
    assert document.data == {
        "auth": {"type": "bearer", "token": "${TOKEN}", "url": "${URL:-a, b: c}", "list": ["${A}", "${B}"]},
        "next": "${C} $${D}",
    }
    assert document.line_of(("next",)) == 2


def test_the_characters_used_inside_cannot_be_smuggled_in():
    (problem,) = refused("a: 1\nb: \ue0000\ue001\n")
    assert problem.line == 2


def test_lines_lead_to_the_nearest_value():
    document = parse_document("a:\n  b:\n    - x\n    - y: 1\n", "f")
    assert document.line_of(("a", "b", 1, "y")) == 4
    assert document.line_of(("a", "b", "missing")) == 2
    assert document.line_of(("other",)) == 1


def test_an_empty_file_is_nothing():
    assert parse_document("", "f").data is None
    assert parse_document("# only a comment\n", "f").data is None
