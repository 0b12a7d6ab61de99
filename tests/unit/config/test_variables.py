"""`${NAME}`: bad-input 105, security S15 and S20, and no secret in any message."""

import os

import pytest

from bief.config.variables import redactor_of

CANARY = "canary-4f1d9a7c"
PIPELINE = "pipelines:\n  shop:\n    source: api\n    destination: warehouse\n"


def with_url(head, value):
    return head.replace("https://api.example.com", value) + PIPELINE


def url(file):
    return file.project.sources["api"].options["base_url"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${A}", "one"),
        ("x${A}y${A}", "xoneyone"),
        ("${MISSING:-default}", "default"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${A:-default}", "one"),
        ("$${A}", "${A}"),
        ("$A", "$A"),
        ("${NESTED}", "${A}"),
        ('"${A}"', "one"),
    ],
)
def test_a_reference_gives_the_value(load, head, written, value):
    environment = {"A": "one", "EMPTY": "", "NESTED": "${A}"}
    assert url(load(with_url(head, written), environment)) == value


def test_the_environment_wins_over_the_file_and_neither_is_changed(load, head):
    before = dict(os.environ)
    file = load(with_url(head, "${A} ${B}"), {"A": "real"}, dotenv="A=file\nexport B='two words'\n# comment\n")
    assert url(file) == "real two words"
    assert dict(os.environ) == before


def test_the_file_is_not_expanded(load, head):
    assert url(load(with_url(head, "${B}"), dotenv="A=1\nB=${A}\n")) == "${A}"


def test_all_missing_variables_are_said_at_once(problems, head):
    text = with_url(head, "${FIRST}").replace("path: w.db", "path: '${SECOND} ${THIRD}'")
    first, second, third = problems(text, dotenv="SECONDE=x\n")
    assert first == "bief.yaml:5: the variable FIRST is not set. Set it in the environment or in .env."
    assert second.startswith("bief.yaml:8: the variable SECOND is not set.")
    assert second.endswith("Did you mean 'SECONDE', which .env has?")
    assert third == "bief.yaml:8: the variable THIRD is not set. Set it in the environment or in .env."


@pytest.mark.parametrize("written", ["'${}'", "'${1A}'", "'${A-b}'", "'${A:b}'", "'${a b}'", "'${env:A}'"])
def test_a_reference_without_a_name_is_a_problem(problems, head, written):
    (problem,) = problems(with_url(head, written), {"A": CANARY})
    assert "does not hold the name of a variable" in problem
    assert CANARY not in problem


def test_an_open_reference_is_a_problem(problems, head):
    (problem,) = problems(with_url(head, "'${A'"), {"A": CANARY})
    assert "is not closed" in problem


@pytest.mark.parametrize(
    ("content", "value"), [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a\n\n", "a\n"), ("a", "a")]
)
def test_a_mounted_file_gives_its_text_without_the_last_newline(load, head, tmp_path, content, value):
    (tmp_path / "token").write_bytes(content.encode())
    assert url(load(with_url(head, "${file:token}"))) == value
    assert url(load(with_url(head, f"${{file:{tmp_path}/token}}"))) == value


def test_a_mounted_file_is_a_secret(load, head, tmp_path):
    (tmp_path / "token").write_text(CANARY)
    assert load(with_url(head, "${file:token}")).redactor.clean(f"x {CANARY} y") == "x *** y"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nothing", "no such file"), (".", "not a regular file"), ("large", "larger than 64 KiB"), ("raw", "not UTF-8")],
)
def test_a_file_that_cannot_be_had_is_a_problem(problems, head, tmp_path, name, reason):
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "raw").write_bytes(CANARY.encode() + b"\xff")
    (problem,) = problems(with_url(head, f"${{file:{name}}}"))
    assert reason in problem
    assert CANARY not in problem


def test_devices_are_not_read(problems, head):
    (problem,) = problems(with_url(head, "${file:/dev/zero}"))
    assert "not a regular file" in problem


@pytest.mark.parametrize(("value", "rows"), [("32", 32), ("1", 1)])
def test_a_number_may_come_from_a_variable(load, head, value, rows):
    text = f"{head}{PIPELINE}    parallel_streams: ${{ROWS}}\n    allow_empty: ${{EMPTY}}\n"
    pipeline = load(text, {"ROWS": value, "EMPTY": "true"}).project.pipelines["shop"]
    assert (pipeline.parallel_streams, pipeline.allow_empty) == (rows, True)


@pytest.mark.parametrize("value", [CANARY, "99999999", "010", "-1"])
def test_a_wrong_value_from_a_variable_is_not_shown(problems, head, value):
    (problem,) = problems(f"{head}{PIPELINE}    parallel_streams: ${{ROWS}}\n", {"ROWS": value})
    assert problem.startswith("bief.yaml:13: pipelines.shop.parallel_streams: must be ")
    assert value not in problem


def test_a_missing_variable_is_not_reported_twice(problems, head):
    found = problems(f"{head}{PIPELINE}    parallel_streams: ${{ROWS}}\n")
    assert found == ["bief.yaml:13: the variable ROWS is not set. Set it in the environment or in .env."]


def test_a_broken_line_of_the_env_file_is_named_without_its_content(problems, head):
    (problem,) = problems(head + PIPELINE, dotenv=f"A=1\nB='{CANARY}\nC=2\n")
    assert problem.startswith(".env:2: this line is not NAME=value.")
    assert CANARY not in problem


def test_nothing_prints_a_value(load, head):
    text = with_url(head, "${API_TOKEN}") + "state: {url: '${STATE}'}\n"
    file = load(text, {"API_TOKEN": CANARY, "STATE": f"postgresql://bief:{CANARY}-2@db/x"})
    assert CANARY not in repr(file)
    assert CANARY not in repr(file.project)
    assert CANARY not in str(file.document)
    assert CANARY not in file.redactor.clean(f"{CANARY} {CANARY}-2 postgresql://bief:{CANARY}-2@db/x")


def test_an_early_error_knows_secrets_by_their_names(tmp_path):
    (tmp_path / ".env").write_text(f"DB_PASSWORD={CANARY}-file\nPLAIN=harmless\n")
    redactor = redactor_of(tmp_path, {"API_KEY": CANARY, "PWD": "/folder/me", "HOME": "/folder/you"})
    shown = redactor.clean(f"{CANARY} {CANARY}-file harmless /folder/me /folder/you")
    assert CANARY not in shown
    assert shown.endswith("harmless /folder/me /folder/you")
