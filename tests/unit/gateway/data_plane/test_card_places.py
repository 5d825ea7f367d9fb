"""Where gRPC and HTTP interfaces are reached on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.data_plane.card_places import Places
from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec

TUNNELS = (
    ("agent.example:50051", "127.0.0.1:9001"),
    ("agent.example:50051", "[::1]:9001"),
    ("agent.example:443", "127.0.0.1:9002"),
)


def places(local: bytes = b"127.0.0.1:8701", **spec: Any) -> Places:
    route = route_spec(**{"tunnels": TUNNELS} | spec)
    return Places(route, OriginMap(route), local)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("agent.example:50051", "127.0.0.1:9001"),
        ("AGENT.Example:50051", "127.0.0.1:9001"),
        ("agent.example", "127.0.0.1:9002"),
        ("https://agent.example:50051", "http://127.0.0.1:9001"),
        ("https://agent.example/", "http://127.0.0.1:9002"),
        ("grpcs://agent.example:50051", "127.0.0.1:9001"),
        ("dns:///agent.example:50051", "127.0.0.1:9001"),
        ("HTTPS://agent.example:50051/a2a?b", "http://127.0.0.1:9001"),
        ("agent.example:50052", None),
        ("agent.example:50052/a2a", None),
        ("https://agent.example:50052", None),
        ("other.example:50051", "other.example:50051"),
        ("agent.example:50051@evil", "agent.example:50051@evil"),
        ("unix:/run/agent", "unix:/run/agent"),
        ("", ""),
    ],
)
def test_grpc(url: str, expected: str | None) -> None:
    assert places().grpc(url) == expected


def test_the_listener_is_named_as_the_client_names_this_machine() -> None:
    assert places(b"[::1]:8701").grpc("agent.example:50051") == "[::1]:9001"
    assert places(b"localhost:8701").grpc("agent.example:50051") == "127.0.0.1:9001"
    assert places(b"far.example:8443", ingress=True).grpc("agent.example:443") == "far.example:9002"


def test_an_upstream_that_is_an_ipv6_address() -> None:
    here = places(authority="[2001:db8::1]:8443", tunnels=(("[2001:db8::1]:1", "127.0.0.1:1"),))
    assert here.grpc("[2001:DB8::1]:1") == "127.0.0.1:1"
    assert here.http("https://[2001:db8::1]:8443/a") == "http://127.0.0.1:8701/a"
    assert not here.elsewhere


def test_what_is_foreign_is_told_once_and_without_more_than_its_origin() -> None:
    here = places()
    for url in (
        "https://user:password@other.example/a?b",
        "https://other.example/c",
        "http://127.0.0.1:8701/already",
        "relative",
    ):
        assert here.http(url) == url
    here.grpc("other.example:1")
    assert list(here.elsewhere) == ["https://other.example", "other.example:1"]


def test_what_only_begins_like_the_clients_own_origin_is_foreign() -> None:
    here = places()
    assert here.http("//agent.example/a") == "http://127.0.0.1:8701/a"
    for url in (
        "http://127.0.0.1:87010/a",
        "http://127.0.0.1:8701.evil",
        "http://127.0.0.1:8701@evil/",
        "//other.example/a",
    ):
        assert here.http(url) == url
    for url in ("http://127.0.0.1:8701", "http://127.0.0.1:8701?a", "/a//b", "a?b=c://d"):
        assert here.http(url) == url
    assert list(here.elsewhere) == [
        "http://127.0.0.1:87010",
        "http://127.0.0.1:8701.evil",
        "http://evil",
        "//other.example",
    ]
