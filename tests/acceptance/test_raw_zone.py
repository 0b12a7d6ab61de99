"""Raw data: kept as it came, and loaded again without the source, by the rules of the project file as it is now."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing

import pytest
from scripted_api import ScriptedApi, reply

from projects import ProjectFolder

CANARY = "canary-4c1d-key"
ROWS = [
    {"id": number, "amount": f"{number}.50", "note": "x" * 50, "at": f"2026-01-{number:02}"} for number in range(1, 24)
]
PROJECT = """\
project: shop
sources:
  api:
    type: rest
    base_url: ${API_URL}
    auth: {type: api_key, key: "${API_KEY}", param: key}
    records: items
    max_attempts: 1
    pagination: {type: cursor, cursor_param: after, next_cursor: next, has_more: more}
    streams:
      orders: {path: /orders, primary_key: id}
  people:
    type: rest
    base_url: ${API_URL}
    auth: {type: oauth2, client_id: us, client_secret: "${API_KEY}", token_url: "${API_URL}/token"}
    records: items
    max_attempts: 1
    streams:
      people: {path: /people, primary_key: id, pagination: {type: page, size_param: limit, size: 4}}
destinations:
  warehouse: {type: sqlite, path: shop.db}
pipelines:
  shop: {source: api, destination: warehouse, keep_raw: true}
  staff: {source: people, destination: warehouse, keep_raw: {runs: 2}}
"""


def script(asked):
    if asked.path == "/token":
        return reply({"access_token": f"{CANARY}-token", "expires_in": 3600})
    rows = ROWS if asked.path == "/orders" else [{"id": number} for number in range(10)]
    size = int(asked.query.get("limit", "5"))
    start = (int(asked.query["page"]) - 1) * size if "page" in asked.query else int(asked.query.get("after", "0"))
    more = start + size < len(rows)
    body = {"items": rows[start : start + size], "more": more, "next": start + size if more else None}
    # As careless APIs do: the key stands in the answer, and in a link.
    link = f'<http://127.0.0.1/orders?after={start}&key={CANARY}>; rel="self"'
    return reply({**body, "self": f"/orders?key={CANARY}"}, link=link, set_cookie=f"session={CANARY}")


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "bief.yaml").write_text(PROJECT, encoding="utf-8")
    return ProjectFolder(tmp_path, {"API_KEY": CANARY, "NO_COLOR": "1"})


def run(shop, *words, api="http://127.0.0.1:9", code=0, pipeline="shop"):
    return shop.bief("run", pipeline, "--json", *words, code=code, API_URL=api)


def kept_run(shop, *words, pipeline="shop"):
    """One run with the API, which is shut down after it; its receipt."""
    with ScriptedApi(script) as api:
        return run(shop, *words, api=api.url, pipeline=pipeline).json


def query(shop, sql):
    with closing(sqlite3.connect(shop.folder / "shop.db")) as connection:
        return connection.execute(sql).fetchall()


def kept_files(shop):
    return [path for path in (shop.folder / ".bief" / "raw").rglob("*") if path.is_file()]


def test_a_run_is_loaded_again_without_the_api(shop):
    first = kept_run(shop)
    before = query(shop, "SELECT id, amount, note FROM orders ORDER BY id")
    shop.change(
        "{path: /orders, primary_key: id}", "{path: /orders, primary_key: id, columns: {amount: 'decimal(9,2)'}}"
    )
    (shop.folder / "shop.db").unlink()
    again = run(shop, "--from-raw", first["run_id"]).json
    assert (again["verdict"], again["steps"][0]["read"], again["steps"][0]["loaded"]) == ("success", 23, 23)
    assert query(shop, "SELECT id, amount, note FROM orders ORDER BY id") == before
    assert query(shop, "SELECT type FROM pragma_table_info('orders') WHERE name = 'amount'") == [("DECIMAL_TEXT(9,2)",)]


def test_tokens_are_not_fetched_for_a_replay(shop):
    kept_run(shop, pipeline="staff")
    (shop.folder / "shop.db").unlink()
    assert run(shop, "--from-raw", "latest", pipeline="staff").json["steps"][0]["loaded"] == 10


def test_a_full_refresh_builds_the_table_anew(shop):
    kept_run(shop)
    shop.change("destination: warehouse, keep_raw: true", "destination: warehouse, keep_raw: true, mode: append")
    doubled = run(shop, "--from-raw", "latest", code=1)
    assert "has its rows already" in doubled.err
    assert "--full-refresh" in doubled.err
    assert query(shop, "SELECT count(*) AS n FROM orders") == [(23,)]
    assert run(shop, "--from-raw", "latest", "--full-refresh").json["verdict"] == "success"
    assert query(shop, "SELECT count(*) AS n FROM orders") == [(23,)]


def test_nothing_secret_is_kept_and_only_the_owner_may_read(shop):
    kept_run(shop)
    kept_run(shop, pipeline="staff")
    files = kept_files(shop)
    assert len(files) == 6
    for path in files:
        assert CANARY.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((shop.folder / ".bief" / "raw").stat().st_mode) == 0o700
    manifest = next(path for path in files if path.name == "manifest.jsonl" and "orders" in path.parts)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["identity"] for line in lines[1:3]] == ["GET /orders", "GET /orders?after=5"]
    assert all(line["blotted"] for line in lines[1:-1])
    assert "set-cookie" not in lines[1]["about"]["headers"]
    assert lines[-1]["position_after"]["complete"]
    # The bodies too: decompressed, no secret is in them.
    pieces = manifest.with_name("pieces.zst").read_bytes()
    for line in lines[1:-1]:
        body = decompressed(pieces[line["offset"] :][: line["length"]], line["bytes"])
        assert CANARY.encode() not in body
        assert json.loads(body)["items"]


def decompressed(frame, size):
    import pyarrow as pa

    return pa.decompress(frame, size, codec="zstd", asbytes=True)


@pytest.mark.parametrize("damage", ["cut", "changed", "no pieces", "no manifest", "manifest cut", "not there"])
def test_damaged_raw_data_loads_nothing(shop, damage):
    run_id = kept_run(shop)["run_id"]
    (shop.folder / "shop.db").unlink()
    folder = shop.folder / ".bief" / "raw" / run_id / "orders" / "1"
    pieces, manifest = folder / "pieces.zst", folder / "manifest.jsonl"
    match damage:
        case "cut":
            pieces.write_bytes(pieces.read_bytes()[:-10])
        case "changed":
            data = bytearray(pieces.read_bytes())
            data[len(data) // 2] ^= 0xFF
            pieces.write_bytes(data)
        case "no pieces":
            pieces.unlink()
        case "no manifest":
            manifest.unlink()
        case "manifest cut":
            manifest.write_bytes(manifest.read_bytes().rsplit(b"\n", 2)[0])
        case "not there":
            pieces.unlink()
            manifest.unlink()
            folder.rmdir()
            folder.parent.rmdir()
    done = run(shop, "--from-raw", run_id, code=1)
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert not (shop.folder / "shop.db").exists()


def test_a_request_that_was_not_kept_fails_without_the_network(shop):
    kept_run(shop)
    shop.change("{path: /orders, primary_key: id}", "{path: /orders, primary_key: id, params: {state: paid}}")
    receipt = run(shop, "--from-raw", "latest", code=1).json
    assert "GET /orders?state=paid" in receipt["steps"][0]["error"]
    assert "was not asked" in receipt["steps"][0]["error"]


def test_only_so_many_runs_are_kept(shop):
    ids = [kept_run(shop, pipeline="staff")["run_id"] for _ in range(3)]
    other = kept_run(shop)["run_id"]
    kept = {path.name for path in (shop.folder / ".bief" / "raw").iterdir()}
    assert kept == {*ids[1:], other}
    gone = run(shop, "--from-raw", ids[0], pipeline="staff", code=1)
    assert "has kept no raw data" in gone.err


def test_a_run_of_another_pipeline_is_refused(shop):
    run_id = kept_run(shop)["run_id"]
    assert "pipeline 'shop'" in run(shop, "--from-raw", run_id, pipeline="staff", code=2).err
    assert "one only" in shop.bief("run", "--from-raw", run_id, code=2, API_URL="http://127.0.0.1:9").err


def test_hidden_columns_must_be_allowed(shop):
    shop.change("{path: /orders, primary_key: id}", "{path: /orders, primary_key: id, columns: {note: drop}}")
    done = shop.bief("check", code=2, API_URL="http://127.0.0.1:9")
    assert "note" in done.err
    assert "hidden_columns" in done.err
    shop.change("keep_raw: true", "keep_raw: {hidden_columns: true}")
    shop.bief("check", API_URL="http://127.0.0.1:9")


def test_nothing_is_kept_unless_asked(shop):
    shop.change(", keep_raw: true", "")
    kept_run(shop)
    assert not (shop.folder / ".bief" / "raw").exists()
