"""Which URLs are of the upstream's origin, and what they become."""

from __future__ import annotations

import pytest

from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec

LOCAL = b"127.0.0.1:8701"


@pytest.mark.parametrize(
    ("authority", "url", "mapped"),
    [
        ("agent.example", b"https://agent.example", b"http://127.0.0.1:8701"),
        ("agent.example", b"https://agent.example/a?b#c", b"http://127.0.0.1:8701/a?b#c"),
        ("agent.example", b"HTTPS://Agent.Example:443/a", b"http://127.0.0.1:8701/a"),
        ("agent.example:8443", b"https://agent.example:8443?a", b"http://127.0.0.1:8701?a"),
        ("[fd00::1]", b"https://[FD00::1]/a", b"http://127.0.0.1:8701/a"),
        ("[fd00::1]:8443", b"https://[fd00::1]:8443/a", b"http://127.0.0.1:8701/a"),
    ],
)
def test_the_upstreams_own_origin_is_mapped(authority: str, url: bytes, mapped: bytes) -> None:
    assert OriginMap(route_spec(authority)).localised(url, LOCAL) == mapped


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"/a",
        b"a",
        b"//agent.example/a",
        b"http://agent.example/a",
        b"wss://agent.example/a",
        b"https://agent.example:8443/a",
        b"https://agent.example:0443/a",
        b"https://agent.example.evil/a",
        b"https://agent.example@evil/a",
        b"https://agent.example:443@evil/a",
        b"https://agent.example\\@evil/a",
        b"https://agent.example\n/a",
        b"https://me@agent.example/a",
        b"https://evil/https://agent.example/a",
        b" https://agent.example/a",
        b"https:/agent.example/a",
        b"https://agentxexample/a",
    ],
)
def test_any_other_one_stays_as_it_is(url: bytes) -> None:
    assert OriginMap(route_spec()).localised(url, LOCAL) == url


def test_a_port_that_is_named_has_to_be_the_same() -> None:
    origin = OriginMap(route_spec("agent.example:8443"))
    assert origin.localised(b"https://agent.example/a", LOCAL) == b"https://agent.example/a"


def test_an_ingress_maps_from_plaintext_to_tls() -> None:
    origin = OriginMap(route_spec("127.0.0.1:9000", ingress=True))
    assert origin.localised(b"http://127.0.0.1:9000/a", b"me:8443") == b"https://me:8443/a"
    assert origin.localised(b"https://127.0.0.1:9000/a", b"me") == b"https://127.0.0.1:9000/a"


def test_the_local_authority_is_no_pattern() -> None:
    assert OriginMap(route_spec()).localised(b"https://agent.example/a", rb"\1") == rb"http://\1/a"


@pytest.mark.parametrize(
    ("value", "mapped"),
    [
        (b"https://agent.example/a", b"http://127.0.0.1:8701/a"),
        (b"http://agent.example/a", b"http://127.0.0.1:8701/a"),
        # The scheme would be that of the local URL: a request in the clear, past the gateway.
        (b"//agent.example/a", b"http://127.0.0.1:8701/a"),
        (b"//AGENT.example:443", b"http://127.0.0.1:8701"),
        (b"//agent.example.evil/a", b"//agent.example.evil/a"),
        (b"//agent.example@evil/a", b"//agent.example@evil/a"),
        (b"//agent.example:8443/a", b"//agent.example:8443/a"),
        (b"/a?next=//agent.example/b", b"/a?next=//agent.example/b"),
        (b"https://evil//agent.example/a", b"https://evil//agent.example/a"),
    ],
)
def test_where_to_go_is_mapped_whatever_scheme_is_said(value: bytes, mapped: bytes) -> None:
    origin = OriginMap(route_spec())
    assert origin.location(value, LOCAL) == mapped
    assert origin.links(b"<%b>; rel=next" % value, LOCAL) == b"<%b>; rel=next" % mapped
