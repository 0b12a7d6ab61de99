"""The keys of the project file: bad-input 102, 103, 106, 107, 108."""

import pytest

PIPELINE = "pipelines:\n  shop:\n    source: api\n    destination: warehouse\n"


def test_defaults_are_those_of_the_documentation(load, head):
    pipeline = load(head + PIPELINE).project.pipelines["shop"]
    assert (pipeline.mode, pipeline.parallel_streams) == ("merge", 4)
    assert (pipeline.max_rejected, pipeline.allow_empty, pipeline.streams) == ("1%", False, None)


def test_a_connection_keeps_its_options_for_its_connector(load, head):
    source = load(head + PIPELINE).project.sources["api"]
    assert source.type == "rest"
    assert source.options == {"base_url": "https://api.example.com", "streams": {"customers": {}, "orders": {}}}
    assert "example" not in repr(source)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("parallel_streams: 0", "must be at least 1, not 0"),
        ("parallel_streams: -5", "must be at least 1, not -5"),
        ("parallel_streams: 33", "must be at most 32, not 33"),
        ("parallel_streams: 010", "must be a whole number, not the text '010'"),
        ("parallel_streams: 1_000", "must be a whole number, not the text '1_000'"),
        ("parallel_streams: 12:30", "must be a whole number, not the text '12:30'"),
        ("parallel_streams: true", "must be a whole number, not true"),
        ("parallel_streams: 1.5", "must be a whole number, not 1.5"),
        ("parallel_streams: [1]", "must be a whole number, not a list"),
        ("parallel_streams:", "must be a whole number, not nothing"),
        ("parallel_streams: 70000", "must be at most 32, not 70000"),
        ("allow_empty: no", "must be true or false, not the text 'no'"),
        ("allow_empty: 1", "must be true or false, not 1"),
        ("mode: upsert", "must be 'append', 'replace', 'merge' or 'history', not the text 'upsert'"),
        ("max_rejected: 101%", "must be a number of rows, such as 100, or a share"),
        ("max_rejected: -1", "must be a number of rows, such as 100, or a share"),
        ("max_rejected: lots", "must be a number of rows, such as 100, or a share"),
        ("streams: []", "must not be empty"),
        ("streams: 5", "must be a list of stream names, or a mapping from names to options"),
        ("streams: [a, b, a]", "names a more than once"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(problems, head, line, expected):
    (problem,) = problems(f"{head}{PIPELINE}    {line}\n")
    key = line.partition(":")[0]
    assert problem.startswith(f"bief.yaml:13: pipelines.shop.{key}: {expected}")


@pytest.mark.parametrize(
    ("written", "value"), [("1%", "1%"), ("0.5 %", "0.5 %"), ("0", 0), ('"25"', 25), ("100%", "100%")]
)
def test_max_rejected_is_a_number_or_a_share(load, head, written, value):
    assert load(f"{head}{PIPELINE}    max_rejected: {written}\n").project.pipelines["shop"].max_rejected == value


def test_a_typo_gets_a_suggestion_and_the_allowed_keys(problems, head):
    (problem,) = problems(f"{head}{PIPELINE}    parallel_stream: 5\n")
    assert problem.startswith(
        "bief.yaml:13: pipelines.shop: unknown key 'parallel_stream'; did you mean 'parallel_streams'?"
    )
    assert "Allowed keys: allow_empty, checks, contract, destination," in problem


@pytest.mark.parametrize("key", ["schedule", "alerts"])
def test_keys_of_later_releases_are_not_taken_and_ignored(problems, head, key):
    (problem,) = problems(f"{head}{PIPELINE}    {key}: {{every: 10m}}\n")
    assert f"unknown key '{key}'" in problem


@pytest.mark.parametrize("name", ["a/b", "..", "1a", "é", "\u0430", "-a", "a b", "a" * 64, '"a\\n"', '""'])
def test_names_are_plain(problems, head, name):
    found = problems(f"{head}pipelines:\n  {name}: {{source: api, destination: warehouse}}\n")
    assert any("must be a name" in problem or "':' without a key" in problem for problem in found)
    assert all(problem.startswith("bief.yaml:10: ") for problem in found)


def test_the_longest_name_is_allowed(load, head):
    name = "a" * 63
    assert name in load(f"{head}pipelines:\n  {name}: {{source: api, destination: warehouse}}\n").project.pipelines


def test_names_equal_but_for_case_are_refused(problems, head):
    second = "{source: api, destination: warehouse, streams: [customers]}"
    (problem,) = problems(f"{head}{PIPELINE}    streams: [orders]\n  Shop: {second}\n")
    assert problem.startswith("bief.yaml:14: the names 'shop' and 'Shop' in pipelines differ only by upper and lower")


def test_unknown_sources_and_destinations_get_a_suggestion(problems, head):
    first, second = problems(f"{head}pipelines:\n  p:\n    source: apy\n    destination: nowhere\n")
    assert first == "bief.yaml:11: there is no source named 'apy'. Did you mean 'api'? This file has: api."
    assert second == "bief.yaml:12: there is no destination named 'nowhere'. This file has: warehouse."


@pytest.mark.parametrize(
    "second",
    [
        "{source: api, destination: warehouse}",
        "{source: api, destination: warehouse, streams: [orders]}",
        "{source: api, destination: warehouse, streams: {customers: {table: ORDERS}}}",
    ],
)
def test_two_pipelines_may_not_share_a_table(problems, head, second):
    found = problems(f"{head}{PIPELINE}    streams: [orders]\n  other: {second}\n")
    assert any("'shop.orders' and 'other." in problem and "both load the table" in problem for problem in found)
    assert all(problem.startswith("bief.yaml:14: ") for problem in found)


def test_another_table_is_another_table(load, head):
    second = (
        "{source: api, destination: warehouse, streams: {orders: {table: orders_2, mode: replace, max_rejected: 0}}}"
    )
    project = load(f"{head}{PIPELINE}    streams: [orders]\n  other: {second}\n").project
    other = project.pipelines["other"]
    assert (other.table_of("orders"), other.mode_of("orders"), other.max_rejected_of("orders")) == (
        "orders_2",
        "replace",
        0,
    )
    shop = project.pipelines["shop"]
    assert (shop.table_of("orders"), shop.mode_of("orders"), shop.max_rejected_of("orders")) == (
        "orders",
        "merge",
        "1%",
    )


def test_streams_may_be_listed_or_described(load, head):
    listed = load(f"{head}{PIPELINE}    streams: [orders, customers]\n").project.pipelines["shop"]
    mapped = load(
        f"{head}{PIPELINE}    streams:\n      orders:\n      customers: {{allow_empty: true}}\n"
    ).project.pipelines["shop"]
    assert list(listed.streams) == list(mapped.streams) == ["orders", "customers"]
    assert mapped.allows_empty("customers")
    assert not mapped.allows_empty("orders")


def test_a_table_must_have_a_name_of_a_table(problems, head):
    (problem,) = problems(f'{head}{PIPELINE}    streams: {{orders: {{table: "x; DROP"}}}}\n')
    assert "streams.orders.table: must be the name of a table" in problem


def test_everything_that_is_missing_is_said_at_once(problems):
    assert problems("sources: {}\n") == [
        "bief.yaml:1: the key 'project' is missing.",
        "bief.yaml:1: sources: must not be empty.",
        "bief.yaml:1: the key 'destinations' is missing.",
        "bief.yaml:1: the key 'pipelines' is missing.",
    ]


def test_a_source_needs_a_type(problems, head):
    (problem,) = problems(head.replace("type: rest", "kind: rest") + PIPELINE)
    assert problem == "bief.yaml:3: sources.api: the key 'type' is missing."
