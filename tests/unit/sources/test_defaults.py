"""What every stream of a REST source has in common is written once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bief.sources.rest.options import RestOptions

FEED = {"path": "/changes/{stream}", "since_param": "since", "time": "at", "details": {"param": "ids"}}


def options(defaults, streams):
    return RestOptions.model_validate({"base_url": "http://127.0.0.1:9", "defaults": defaults, "streams": streams})


def test_a_stream_has_what_it_does_not_say_itself():
    found = options(
        {"path": "/{stream}", "primary_key": "id", "change_feed": FEED, "params": {"for": "{stream}"}},
        {"customers": {}, "orders": {"path": "/sales/orders", "trim": True}, "tags": None},
    ).streams

    assert [stream.path for stream in found.values()] == ["/customers", "/sales/orders", "/tags"]
    assert found["orders"].change_feed.path == "/changes/orders"
    assert found["orders"].primary_key == ["id"]
    assert (found["orders"].trim, found["customers"].trim) == (True, False)
    assert found["tags"].params == {"for": "tags"}


def test_null_leaves_a_default_out():
    found = options({"path": "/{stream}", "primary_key": "id", "change_feed": FEED}, {"tags": {"change_feed": None}})

    assert found.streams["tags"].change_feed is None


def test_a_wrong_default_is_told_once_and_not_for_each_stream():
    with pytest.raises(ValidationError) as caught:
        options({"path": "/{stream}", "colour": "red"}, {name: {"path": "/x"} for name in ("a", "b", "c")})

    assert [error["loc"] for error in caught.value.errors()] == [("defaults", "colour")]


def test_a_wrong_stream_is_told_where_it_is():
    with pytest.raises(ValidationError) as caught:
        options({"path": "/{stream}"}, {"a": {"colour": "red"}, "b": {}})

    assert [error["loc"] for error in caught.value.errors()] == [("streams", "a", "colour")]
