"""What connectors get from `config`: closed models, sentences for their options, and one schema for editors."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from bief.base.secrets import Secret
from bief.config.closed import Closed, secrets_in
from bief.config.json_schema import project_schema
from bief.config.problems import problems_of
from bief.config.streams import StreamOptions
from bief.errors import ProjectError

CANARY = "canary-88c1e0"
PIPELINE = "pipelines: {shop: {source: api, destination: warehouse}}\n"


class Bearer(Closed):
    type: Literal["bearer"]
    token: Secret


class Basic(Closed):
    type: Literal["basic"]
    password: Secret


class Options(Closed):
    """An API."""

    base_url: str
    """Where it is."""
    auth: Annotated[Bearer | Basic, Field(discriminator="type")] | None = None
    port: int = Field(default=443, ge=1, le=65535)
    timeout_seconds: float = Field(default=30, gt=0)
    verify: bool = True
    streams: dict[str, StreamOptions] = Field(default={})

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, value):
        if "://" not in value:
            raise ValueError("needs a scheme, such as {https}")
        return value


def also(document):
    try:
        Options.model_validate({key: value for key, value in document.data["sources"]["api"].items() if key != "type"})
    except ValidationError as error:
        return problems_of(error, document, ("sources", "api"))
    return []


@pytest.fixture
def option_problems(problems, head):
    """The problems of options that take the place of line 6 and following."""

    def option_problems(lines, environment=None):
        options = "".join(f"    {line}\n" for line in lines)
        return problems(
            head.replace("    streams: {customers: {}, orders: {}}\n", options) + PIPELINE, environment, also=also
        )

    return option_problems


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("port: 70000", "sources.api.port: must be at most 65535, not 70000."),
        ("port: 0", "sources.api.port: must be at least 1, not 0."),
        ("timeout_seconds: -1", "sources.api.timeout_seconds: must be greater than 0, not -1"),
        ("timeout_seconds: soon", "sources.api.timeout_seconds: must be a number, not the text 'soon'."),
        ("verify: off", "sources.api.verify: must be true or false, not the text 'off'."),
        ("auth: {type: bearer}", "sources.api.auth: the key 'token' is missing."),
        ("auth: {type: bearer, tokn: x, token: y}", "sources.api.auth: unknown key 'tokn'; did you mean 'token'?"),
        ("auth: {token: x}", "sources.api.auth: needs the key 'type'."),
        ("auth: {type: magic}", "sources.api.auth: needs the key 'type', one of: 'bearer', 'basic'."),
        ("streams: {a: {columns: {b: {type: txt}}}}", "sources.api.streams.a.columns.b.type: "),
        ("streams: {a: {trim: yes}}", "sources.api.streams.a.trim: must be true or false, not the text 'yes'."),
    ],
)
def test_options_are_said_wrong_at_their_line(option_problems, line, expected):
    (problem,) = option_problems([line])
    assert problem.startswith(f"bief.yaml:6: {expected}")


def test_a_validator_of_a_connector_speaks_in_its_own_words(problems, head):
    (problem,) = problems(head.replace("https://api.example.com", "nowhere") + PIPELINE, also=about_the_url)
    assert problem == "bief.yaml:5: sources.api.base_url: needs a scheme, such as {https}."


def about_the_url(document):
    return [problem for problem in also(document) if "base_url" in problem.what]


def test_problems_of_the_file_and_of_options_come_together(option_problems):
    found = option_problems(["port: 0", "headers: ${MISSING}"])
    assert [problem.partition(": ")[0] for problem in found] == ["bief.yaml:6", "bief.yaml:7", "bief.yaml:7"]


@pytest.mark.parametrize(
    "line", [f"auth: {{type: bearer, token: [{CANARY}]}}", f"auth: {CANARY}", f"auth: {{type: {CANARY}}}"]
)
def test_secrets_are_never_shown_where_they_are_misplaced(option_problems, line):
    for problem in option_problems([line.replace(CANARY, "${API_TOKEN}")], {"API_TOKEN": CANARY}):
        assert CANARY not in problem


def test_a_number_as_a_secret_is_not_shown(option_problems):
    (problem,) = option_problems(["auth: {type: bearer, token: 8675309}"])
    assert problem.startswith("bief.yaml:6: sources.api.auth.token: must be text. Put quotes around it")
    assert "8675309" not in problem


@pytest.mark.parametrize("value", ["8443", "443"])
def test_numbers_may_be_text_that_is_spelled_as_a_number(value):
    assert Options(base_url="a://b", port=value, verify="TRUE", timeout_seconds="1.5").port == int(value)


@pytest.mark.parametrize("value", ["010", "1_000", " 5", "5 ", "+5", "5.0", "\u0665", "1e2", "", "0x10"])
def test_and_nothing_else_is_a_whole_number(value):
    with pytest.raises(ValidationError):
        Options(base_url="a://b", port=value)


@pytest.mark.parametrize(
    ("key", "value"), [("verify", "1"), ("verify", "yes"), ("verify", 1), ("port", True), ("timeout_seconds", "nan")]
)
def test_kinds_are_not_mixed_up(key, value):
    with pytest.raises(ValidationError):
        Options.model_validate({"base_url": "a://b", key: value})


def test_secrets_inside_models_are_found():
    options = Options(base_url="a://b", auth={"type": "bearer", "token": CANARY})
    assert [secret.reveal() for secret in secrets_in({"x": [options]})] == [CANARY]
    assert CANARY not in repr(options)
    assert CANARY not in options.model_dump_json()


def test_errors_hide_what_was_given():
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"base_url": "a://b", "auth": {"type": "basic", "password": [CANARY]}, "x": CANARY})
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


class TestSchema:
    schema = project_schema({"rest": Options}, {"sqlite": Bearer})

    def test_every_reference_leads_somewhere(self):
        for reference in references(self.schema):
            assert reference.removeprefix("#/$defs/") in self.schema["$defs"]

    def test_connectors_stand_under_their_type(self):
        source = self.schema["$defs"]["source"]
        assert source["properties"]["type"]["enum"] == ["rest"]
        assert source["allOf"][0]["then"] == {"$ref": "#/$defs/source.rest"}
        rest = self.schema["$defs"]["source.rest"]
        assert rest["properties"]["type"]["const"] == "rest"
        assert rest["required"] == ["type", "base_url"]
        assert rest["properties"]["base_url"]["description"] == "Where it is."
        assert not rest["additionalProperties"]

    @pytest.mark.parametrize("key", ["port", "timeout_seconds", "verify"])
    def test_a_variable_may_stand_for_a_number(self, key):
        described = self.schema["$defs"]["source.rest"]["properties"][key]
        assert described["anyOf"][1] == {"type": "string", "pattern": r"\$\{[^{}]+\}"}
        assert "default" in described

    def test_a_variable_may_not_choose_a_type(self):
        assert self.schema["$defs"]["source.rest.Bearer"]["properties"]["type"]["const"] == "bearer"
        assert "anyOf" not in self.schema["$defs"]["source.rest.Bearer"]["properties"]["type"]

    def test_keys_of_the_project_are_described(self):
        pipeline = self.schema["$defs"]["Pipeline"]["properties"]
        assert all(described.get("description") for described in pipeline.values())


def references(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def test_no_project_is_an_error_with_advice(tmp_path):
    from bief.config.folder import find_folder
    from bief.config.loading import load_project

    with pytest.raises(ProjectError, match="bief init DIR"):
        load_project(tmp_path)
    (tmp_path / "bief.yaml").write_text("")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_folder(tmp_path / "a" / "b") == tmp_path.resolve()
    with pytest.raises(ProjectError, match="the file is empty"):
        load_project(tmp_path)
    (tmp_path / "bief.yaml").write_text("- a\n")
    with pytest.raises(ProjectError, match="must be a mapping"):
        load_project(tmp_path)
