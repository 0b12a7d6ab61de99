"""The simulator of the placeholder example answers like JSONPlaceholder."""

from __future__ import annotations

import re

import pytest
from simulators import running


@pytest.fixture(scope="module")
def api():
    with running("placeholder") as simulator:
        yield simulator


@pytest.mark.parametrize(
    ("name", "count"),
    [("posts", 100), ("comments", 500), ("albums", 100), ("photos", 5000), ("users", 10), ("todos", 200)],
)
def test_all_records_come_at_once(api, name, count):
    records = api.get(f"/{name}").json
    assert [record["id"] for record in records] == list(range(1, count + 1))
    assert len({tuple(record) for record in records}) == 1


def test_the_parents_of_all_records_exist(api):
    users, albums, posts = (len(api.get(path).json) for path in ("/users", "/albums", "/posts"))
    assert {post["userId"] for post in api.get("/posts").json} == set(range(1, users + 1))
    assert {photo["albumId"] for photo in api.get("/photos").json} == set(range(1, albums + 1))
    assert {comment["postId"] for comment in api.get("/comments").json} == set(range(1, posts + 1))
    assert {todo["userId"] for todo in api.get("/todos").json} == set(range(1, users + 1))


def test_pages_are_linked_until_the_last(api):
    path, seen = "/posts?_page=1&_limit=30", []
    while path:
        reply = api.get(path)
        seen += [record["id"] for record in reply.json]
        assert reply.headers["x-total-count"] == "100"
        following = re.search(r'<http://[^/]+(/[^>]+)>; rel="next"', reply.headers["link"])
        path = following and following[1]
    assert seen == list(range(1, 101))


def test_one_record_can_be_read_alone(api):
    assert api.get("/posts/7").json == api.get("/posts").json[6]
    assert api.get("/posts/101").status == 404
    assert api.get("/nothing").status == 404


def test_texts_need_trimming(api):
    assert any(post["title"] != post["title"].strip() for post in api.get("/posts").json)


def test_it_can_be_told_to_fail():
    with running("placeholder", "--fail", "albums=500") as simulator:
        assert simulator.get("/albums").status == 500
        assert simulator.get("/posts").status == 200
