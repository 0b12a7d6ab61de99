"""Pagers, as pure functions: what they ask for, where a list ends, and what they do not put up with."""

import json

import pytest
from pydantic import TypeAdapter

from bief.errors import SourceMisread
from bief.http.page_facts import ABSENT, Seen
from bief.http.paging import pager_for
from bief.http.paging_options import Pagination

URL = "https://api.example.com/v2/items?limit=2"
PAGE = {"type": "page", "size_param": "limit", "size": 2}
OFFSET = {"type": "offset", "size_param": "limit", "size": 2}
CURSOR = {"type": "cursor", "cursor_param": "after", "next_cursor": "next", "has_more": "more"}


def pager(options, secrets=()):
    return pager_for(TypeAdapter(Pagination).validate_python(options), secrets)


def seen(pager, rows=2, link=None, **fields):
    def misread(what, do):
        return SourceMisread(what, do=do)

    found = {path: fields.get(path.replace(".", "_"), ABSENT) for path in pager.fields}
    return Seen(rows, URL, {"link": link} if link else {}, found, misread)


def after(pager, state, rows=2, **facts):
    """The place after a page; it must be good for a position."""
    following = pager.following(state, seen(pager, rows, **facts))
    assert following is None or json.loads(json.dumps(following)) == following
    return following


def test_page_numbers_end_with_an_empty_page():
    pages = pager(PAGE)

    assert pages.ask(pages.first()).params == {"page": 1, "limit": 2}
    assert after(pages, {"page": 1}) == {"page": 2}
    assert after(pages, {"page": 2}, rows=1) == {"page": 3}, "a short page proves nothing: servers cap the size"
    assert after(pages, {"page": 3}, rows=0) is None


def test_page_numbers_end_where_the_total_of_pages_says():
    pages = pager({**PAGE, "first": 0, "total_pages": "meta.pages"})

    assert after(pages, {"page": 0}, meta_pages=2) == {"page": 1}
    assert pages.ahead({"page": 0}) == {"page": 1}
    assert pages.ahead({"page": 1}) is None
    assert after(pages, {"page": 1}, meta_pages=2) is None


def test_page_numbers_end_where_the_total_of_items_is_reached():
    pages = pager({**PAGE, "total_items": "total"})

    assert after(pages, {"page": 1}, total=3) == {"page": 2}
    assert after(pages, {"page": 2}, rows=1, total="3") is None


@pytest.mark.parametrize("options", [PAGE, OFFSET])
def test_a_list_that_ends_before_its_total_is_refused(options):
    pages = pager({**options, "total_items": "total"})
    state = after(pages, pages.first(), total=100)

    with pytest.raises(SourceMisread, match="ended after 2 records, and the answer says that it has 100"):
        after(pages, state, rows=0, total=100)


def test_who_goes_on_inside_a_list_does_not_count_its_items():
    pages = pager({**PAGE, "total_items": "total"})

    assert after(pages, {"page": 7}, total=3) == {"page": 8}
    assert after(pages, {"page": 8}, rows=0, total=16) is None


@pytest.mark.parametrize("more", [True, 1, "true"])
def test_a_flag_says_that_more_follows(more):
    pages = pager({**PAGE, "has_more": "more"})

    assert after(pages, {"page": 1}, more=more) == {"page": 2}
    assert after(pages, {"page": 1}, rows=0, more=more) == {"page": 2}
    assert pages.ahead({"page": 1}) == {"page": 2}


@pytest.mark.parametrize("more", [False, 0, None, "false"])
def test_a_flag_says_that_nothing_follows(more):
    pages = pager({**PAGE, "has_more": "more"})

    assert after(pages, {"page": 1}, more=more) is None


@pytest.mark.parametrize("facts", [{}, {"more": "perhaps"}, {"more": [1]}])
def test_a_flag_must_be_there_and_clear(facts):
    pages = pager({**PAGE, "has_more": "more"})

    with pytest.raises(SourceMisread, match="`more`"):
        after(pages, {"page": 1}, **facts)


def test_offsets_count_what_came():
    pages = pager(OFFSET)

    assert pages.ask(pages.first()).params == {"offset": 0, "limit": 2}
    assert after(pages, {"offset": 0}, rows=1000) == {"offset": 1000}
    assert pages.ahead({"offset": 1000}) == {"offset": 2000}
    assert after(pages, {"offset": 1000}, rows=0) is None


def test_offsets_end_at_the_total():
    pages = pager({**OFFSET, "total_items": "total"})

    assert after(pages, {"offset": 0}, total=3) == {"offset": 2}
    assert after(pages, {"offset": 2}, rows=1, total=3) is None


def test_cursors():
    pages = pager({**CURSOR, "size_param": "limit", "size": 5})

    assert pages.ask(pages.first()).params == {"limit": 5}
    assert after(pages, {}, more=True, next="abc") == {"cursor": "abc"}
    assert pages.ask({"cursor": "abc"}).params == {"after": "abc", "limit": 5}
    assert after(pages, {"cursor": "abc"}, more=False, next="def") is None, "the flag wins"
    assert pages.ahead({"cursor": "abc"}) is None


@pytest.mark.parametrize("facts", [{"next": None}, {"next": ""}, {}])
def test_no_next_cursor_ends_the_list(facts):
    pages = pager({"type": "cursor", "cursor_param": "after", "next_cursor": "next"})

    assert after(pages, {}, **facts) is None


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"more": True, "next": None}, "says that more follows, and there is no next cursor"),
        ({}, "Neither `more` nor `next` is in the answer"),
        ({"more": True, "next": {"a": 1}}, "neither text nor a whole number"),
        ({"more": True, "next": True}, "neither text nor a whole number"),
    ],
)
def test_cursors_that_make_no_sense(facts, problem):
    with pytest.raises(SourceMisread, match=problem):
        after(pager(CURSOR), {}, **facts)


def test_a_circle_of_cursors_is_noticed_whatever_its_length():
    pages = pager(CURSOR)
    state = {}
    for cursor in ("a", "b", "c"):
        state = after(pages, state, more=True, next=cursor)

    with pytest.raises(SourceMisread, match="pagination loop"):
        after(pages, state, more=True, next="a")


def test_a_circle_back_to_where_a_read_was_taken_up_is_noticed():
    with pytest.raises(SourceMisread, match="pagination loop"):
        after(pager(CURSOR), {"cursor": "x"}, more=True, next="x")


@pytest.mark.parametrize(
    "link",
    [
        '</v2/items?page=2>; rel="next"',
        '<https://api.example.com/v2/items?page=1>; rel="prev", <?page=2>; title="a, b"; rel="last next"',
        "<https://API.example.com:443/v2/items?page=2&key=s3cret>; rel=next",
        "<https://user:s3cret@api.example.com/v2/items?page=2#top>; REL=Next",
    ],
)
def test_link_headers(link):
    pages = pager({"type": "link"}, ("key",))

    assert after(pages, {}, link=link) == {"link": "/v2/items?page=2"}
    assert pages.ask({"link": "/v2/items?page=2"}).link == "/v2/items?page=2"


@pytest.mark.parametrize("link", [None, "", '<x>; rel="prev"', "nonsense"])
def test_no_next_link_ends_the_list(link):
    assert after(pager({"type": "link"}), {}, link=link) is None


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/v2/items",
        "http://api.example.com/v2/items",
        "http://api.example.com:443/v2/items",
        "https://api.example.com:8443/v2/items",
        "//169.254.169.254/latest",
        "file:///etc/passwd",
        "https://[broken/",
    ],
)
@pytest.mark.parametrize("options", [{"type": "link"}, {"type": "next_url", "next_url": "next"}])
def test_a_link_to_another_server_is_refused(options, target):
    facts = {"link": f"<{target}>; rel=next"} if options["type"] == "link" else {"next": target}

    with pytest.raises(SourceMisread, match="another server"):
        after(pager(options), {}, **facts)


def test_addresses_in_the_body():
    pages = pager({"type": "next_url", "next_url": "links.next"})

    assert after(pages, {}, links_next="?page=2") == {"link": "/v2/items?page=2"}
    assert after(pages, {"link": "/v2/items?page=2"}, links_next=None) is None
    assert after(pages, {"link": "/v2/items?page=3"}) is None


def test_a_circle_of_links_is_noticed():
    pages = pager({"type": "next_url", "next_url": "next"})
    state = after(pages, {}, next="?page=2")

    with pytest.raises(SourceMisread, match="pagination loop"):
        after(pages, state, next="?page=2")


def test_one_page():
    pages = pager({"type": "single"})

    assert after(pages, pages.first()) is None
