"""Each command: what it asks of the project, what it prints, how it ends."""

import json
import types
from decimal import Decimal

import pyarrow as pa
import pytest
from cli_fake import CANARY, receipt, record, rejected, step

from bief.errors import AlreadyRunning, DestinationRefused, Problem, ProjectError

DANGER = "x\x1b[2J\r\n[bold]y[/bold]\u202e"


def test_run_all_pipelines_in_order(fake, bief):
    code, out, err = bief("run")
    assert (code, err) == (0, "")
    assert [call for call in fake.calls if call[0] == "run"] == [
        ("run", "shop", False, ()),
        ("run", "books", False, ()),
    ]
    assert "shop: success, 10 rows loaded in 1.5 s (run run-shop)" in out
    assert fake.calls[-1] == ("close",)


def test_run_hands_its_options_on(fake, bief):
    bief("run", "shop", "--full-refresh", "--select", "a", "--select", "b")
    assert ("run", "shop", True, ("a", "b")) in fake.calls


def test_run_without_a_terminal_is_quiet(fake, bief):
    fake.receipts = {"shop": receipt("shop", step("customers"), step("orders", loaded=8, rejected=2))}
    _, out, _ = bief("run", "shop")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:3] == [
        "shop: run run-shop started: customers, orders",
        "customers: 10 read, 10 loaded, 0 rejected in 0.5 s",
        "orders: 10 read, 8 loaded, 2 rejected in 0.5 s",
    ]
    assert lines[3].split() == [
        "stream",
        "read",
        "loaded",
        "rejected",
        "filtered",
        "deduplicated",
        "deleted",
        "seconds",
        "status",
    ]
    assert lines[5].split() == ["orders", "10", "8", "2", "0", "0", "0", "0.5", "success"]
    assert "bief quarantine list shop --run run-shop" in lines[7]


def test_run_prints_one_receipt_as_json(fake, bief):
    code, out, err = bief("run", "shop", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(fake.receipts["shop"].as_json()))


def test_run_prints_several_receipts_as_one_document(fake, bief):
    _, out, _ = bief("run", "--json")
    assert [each["pipeline"] for each in json.loads(out)] == ["shop", "books"]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["success", "success"], 0),
        (["success", "partial"], 3),
        (["partial", "failed"], 1),
        (["failed", "failed"], 1),
        (["cancelled", "success"], 130),
    ],
)
def test_the_worst_verdict_is_the_exit_code(fake, bief, verdicts, code):
    names = ("shop", "books")
    fake.receipts = {name: receipt(name, verdict=verdict) for name, verdict in zip(names, verdicts, strict=True)}
    assert bief("run")[0] == code


def test_a_pipeline_that_cannot_start_does_not_keep_the_others(fake, bief):
    fake.receipts["shop"] = AlreadyRunning("pipeline 'shop' is being run.", do="Wait for it.")
    code, out, err = bief("run")
    assert code == 1
    assert err == "error: pipeline 'shop' is being run. Wait for it.\n"
    assert "books: success" in out


def test_a_failed_stream_is_explained_with_what_to_do(fake, bief):
    failed = step("orders", status="failed", read=0, loaded=0, error="api: 500 from the server.")
    fake.receipts = {"shop": receipt("shop", step("customers"), failed, verdict="partial")}
    code, out, _ = bief("run")
    assert code == 3
    assert "orders: api: 500 from the server.\n" in out
    assert "bief logs run-shop" in out
    assert "The next run goes on from the last commit: bief run shop" in out


def test_check_says_what_is_there(fake, bief):
    assert bief("check")[:2] == (0, "demo: bief.yaml is valid (2 pipelines, 1 destination)\n")


def test_check_reaches_everything_when_asked(fake, bief):
    fake.connections = [
        types.SimpleNamespace(role="source", name="api", kind="rest", ok=True, message=""),
        types.SimpleNamespace(role="destination", name="warehouse", kind="sqlite", ok=False, message="no such folder."),
    ]
    code, out, _ = bief("check", "--connect")
    assert code == 1
    assert "failed: no such folder." in out
    code, out, _ = bief("check", "--connect", "--json")
    assert code == 1
    assert [each["ok"] for each in json.loads(out)["connections"]] == [True, False]
    assert bief("check", "--json")[0] == 0


def test_check_gives_problems_as_json(fake, bief):
    fake.load_error = ProjectError([Problem("bief.yaml", 3, "wrong.", "Put it right.")])
    code, out, err = bief("check", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["problems"] == [{"file": "bief.yaml", "line": 3, "what": "wrong.", "do": "Put it right."}]


def test_plan_shows_each_step_with_its_guarantee(fake, bief):
    _, out, _ = bief("plan", "shop")
    assert out.splitlines()[0] == "shop: api → warehouse"
    assert "cursor=2024-01-01" in out
    assert "exactly-once effect" in out
    (plan,) = json.loads(bief("plan", "shop", "--json")[1])
    assert plan["steps"][0]["position"] == {"value": {"cursor": "2024-01-01"}, "complete": True}
    assert len(json.loads(bief("plan", "--json")[1])) == 2


def test_preview_shows_before_and_after(fake, bief):
    fake.preview = types.SimpleNamespace(
        stream="orders",
        before=[{"Id": 1, "a": {"b": 2}}],
        after=[{"id": 1, "a__b": Decimal("2.50")}],
        rejected=[rejected()],
    )
    code, out, _ = bief("preview", "shop.orders", "-n", "5")
    assert code == 0
    assert ("preview", "shop", "orders", 5) in fake.calls
    assert '{"Id": 1, "a": {"b": 2}}' in out
    assert "2.50" in out
    assert "'x' is not a number" in out
    found = json.loads(bief("preview", "shop.orders", "--json")[1])
    assert found["after"] == [{"id": 1, "a__b": "2.50"}]
    assert found["rejected"][0]["rule"] == "type"


@pytest.mark.parametrize("name", ["shop", ".orders", "shop.", ""])
def test_preview_wants_a_pipeline_and_a_stream(fake, bief, name):
    code, _, err = bief("preview", name)
    assert code == 2
    assert "PIPELINE.STREAM" in err


def test_runs_are_listed_and_shown(fake, bief):
    fake.records = [record("r2", "running"), record("r1", receipt=receipt("shop").as_json()), record("r0", "crashed")]
    _, out, _ = bief("runs")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["r2", "r1", "r0"]
    assert "1 min 30 s" in out
    assert len(json.loads(bief("runs", "-n", "2", "--json")[1])) == 2
    assert "shop: success, 10 rows loaded" in bief("runs", "r1")[1]
    assert "crashed, without a receipt" in bief("runs", "r0")[1]
    assert json.loads(bief("runs", "r1", "--json")[1])["receipt"]["verdict"] == "success"


def test_no_runs_yet(fake, bief):
    assert bief("runs")[:2] == (0, "no runs yet: start one with bief run\n")
    assert json.loads(bief("runs", "--json")[1]) == []


@pytest.mark.parametrize("command", [("runs", "nothing"), ("logs", "nothing")])
def test_an_unknown_run_is_a_mistake_of_the_caller(fake, bief, command):
    code, out, err = bief(*command)
    assert (code, out) == (2, "")
    assert err == "error: there is no run 'nothing'.\n"


def test_logs_are_told_and_given_as_they_are(fake, bief):
    bief("run", "shop")
    fake.records = [record("run-shop")]
    _, out, _ = bief("logs", "latest")
    assert [line.split()[2] for line in out.splitlines()] == [
        "RunStarted",
        "StreamStarted",
        "StreamFinished",
        "RunFinished",
    ]
    raw = bief("logs", "run-s", "--json", "-f")[1]
    assert [json.loads(line)["event"] for line in raw.splitlines()][-1] == "RunFinished"


def test_a_run_of_another_machine_has_no_log_here(fake, bief):
    fake.records = [record("r1")]
    code, _, err = bief("logs", "r1")
    assert code == 2
    assert "run r1 has no log in this project folder" in err


def test_query_shows_a_table_and_says_if_there_is_more(fake, bief):
    fake.table = pa.table({"n": list(range(150)), "n ": [None] * 150})
    _, out, _ = bief("query", "SELECT 1")
    assert len(out.splitlines()) == 102
    assert "there are more rows" in out.splitlines()[-1]
    assert bief("query", "SELECT 1", "-n", "150")[1].splitlines()[-1] == "150 rows"


def test_query_for_scripts_gives_all_rows(fake, bief):
    fake.table = pa.table({"n": list(range(150))})
    assert len(json.loads(bief("query", "SELECT 1", "--json", "-d", "warehouse")[1])) == 150
    assert ("query", "SELECT 1", "warehouse", None) in fake.calls
    assert bief("query", "SELECT 1", "--csv")[1].splitlines()[:2] == ["n", "0"]
    assert len(bief("query", "SELECT 1", "--csv", "-n", "3")[1].splitlines()) == 4


def test_query_keeps_values_exact(fake, bief):
    fake.table = pa.table(
        {
            "d": pa.array([Decimal("1.10")], pa.decimal128(5, 2)),
            "b": [b"\x00\xff"],
            "f": [float("nan")],
            "l": [[1, 2]],
            "t": pa.array([0], pa.timestamp("us", "UTC")),
            "s": ['a,"b"\nc'],
            "x": [None],
            "y": [True],
        }
    )
    (row,) = json.loads(bief("query", "SELECT 1", "--json")[1])
    assert row["d"] == "1.10"
    assert row["b"] == "AP8="
    assert row["f"] is None
    assert row["t"] == "1970-01-01T00:00:00+00:00"
    assert (
        bief("query", "SELECT 1", "--csv")[1]
        .splitlines()[1]
        .startswith('1.10,AP8=,,"[1, 2]",1970-01-01T00:00:00+00:00,"a,""b""')
    )


def test_query_with_two_formats_is_refused(fake, bief):
    assert bief("query", "SELECT 1", "--csv", "--json")[0] == 2


def test_what_a_destination_refuses_is_one_paragraph(fake, bief):
    fake.table = DestinationRefused("only SELECT is allowed.", where="warehouse", do="Ask for rows.")
    assert bief("query", "DROP TABLE x") == (1, "", "error: warehouse: only SELECT is allowed. Ask for rows.\n")


def test_values_cannot_drive_the_terminal(fake, bief):
    fake.table = pa.table({DANGER: [DANGER]})
    fake.preview = types.SimpleNamespace(
        stream=DANGER, before=[{DANGER: DANGER}], after=[{DANGER: DANGER}], rejected=[]
    )
    failed = step(DANGER, status="failed", error=DANGER)
    fake.receipts = {"shop": receipt("shop", failed, verdict="failed", error=DANGER)}
    fake.records = [record("run-shop", "crashed", error=DANGER)]
    for command in (("query", "x"), ("preview", "a.b"), ("run",), ("runs", "latest"), ("logs", "latest")):
        _, out, err = bief(*command)
        assert not set("\x1b\r\u202e") & set(out + err)
        assert "[bold]y[/bold]" in out


def test_schema_is_printed_or_written(fake, bief, tmp_path):
    assert json.loads(bief("schema")[1]) == {"title": "bief.yaml"}
    assert bief("schema", "-o", "new/s.json")[0] == 0
    assert json.loads((tmp_path / "new" / "s.json").read_text()) == {"title": "bief.yaml"}


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_project_folder_may_be_named_on_either_side(fake, bief, tmp_path, where):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bief.yaml").write_text("project: x\n")
    option = ["-C", str(tmp_path / "other")]
    assert bief(*(option if where == "before" else []), "check", *(option if where == "after" else []))[0] == 0
    assert fake.calls[0] == ("load", tmp_path / "other")


def test_a_folder_above_is_found(fake, bief, tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert bief("check")[0] == 0
    assert fake.calls[0] == ("load", tmp_path.resolve())


def test_a_named_folder_is_not_searched_above(fake, bief, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = bief("check", "-C", str(tmp_path / "empty"))
    assert code == 2
    assert "bief init DIR" in err


def test_no_output_carries_a_secret(fake, bief):
    fake.receipts["shop"] = RuntimeError(f"boom {CANARY}")
    for command in (("run", "shop"), ("run", "shop", "--debug"), ("--debug", "run", "shop", "--json")):
        code, out, err = bief(*command)
        assert code == 1
        assert "boom ***" in err
        assert CANARY not in out + err
