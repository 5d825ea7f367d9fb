"""`auth` and what goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.model import Route
from tests.unit.gateway.config.test_routes import INGRESS, TCP, problems, read

HTTP: dict[str, Any] = {
    "name": "r",
    "listen": "127.0.0.1:8701",
    "upstream": "https://remote.example",
}
OWN = {"headers": {"authorization": "Bearer {secret:remote}"}}
PASSED = {"pass_headers": ["AUTHORIZATION"]}
PASSES = {"auth": "passthrough"}


@pytest.mark.parametrize(
    ("more", "auth"),
    [({}, "inject"), (OWN, "inject"), (PASSED, "passthrough"), (PASSES | PASSED, "passthrough")],
)
def test_whose_credentials_count(more: dict[str, Any], auth: str) -> None:
    route = read(HTTP | more)
    assert (route.auth, route.rewrite_metadata) == (auth, False)


def test_metadata_can_be_mapped_where_credentials_are_passed() -> None:
    assert read(HTTP | PASSES | {"rewrite_metadata": True}).rewrite_metadata


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        (PASSES | OWN, "auth", "attaches an Authorization of its own"),
        (PASSED | {"auth": "inject"}, "auth", "is passed by pass_headers"),
        ({"auth": "oauth"}, "auth", "is not known"),
        ({"rewrite_metadata": True}, "rewrite_metadata", "passthrough"),
        ({"sse_keep_alive_s": 0.5}, "sse_keep_alive_s", "between 1 and 3600"),
        ({"sse_keep_alive_s": "15"}, "sse_keep_alive_s", "should be a number"),
    ],
)
def test_what_makes_no_sense(more: dict[str, Any], key: str, message: str) -> None:
    assert message in problems(HTTP | more)[key]


@pytest.mark.parametrize(
    ("base", "key", "value"),
    [
        (TCP, "auth", "inject"),
        (TCP, "sse_keep_alive_s", 15),
        (INGRESS, "auth", "passthrough"),
        (INGRESS, "rewrite_metadata", True),
    ],
)
def test_other_kinds_of_route_have_none(base: dict[str, Any], key: str, value: object) -> None:
    assert "has none" in problems(base | {key: value})[key]


def test_streams_are_kept_alive_in_both_directions() -> None:
    routes: list[Route] = [read(base | {"sse_keep_alive_s": 15}) for base in (HTTP, INGRESS)]
    assert [route.sse_keep_alive_s for route in routes] == [15.0, 15.0]
    assert read(HTTP).sse_keep_alive_s == 0
