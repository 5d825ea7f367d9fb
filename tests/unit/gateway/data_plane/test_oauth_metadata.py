"""Protected resource metadata of an upstream, for clients of the local origin."""

from __future__ import annotations

import json

import pytest

from gateway.data_plane.oauth_metadata import (
    MOST_BYTES,
    MetadataTarget,
    ProtectedResource,
    announced,
    leads_to_metadata,
    meant,
)
from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec


def edited(document: bytes) -> bytes:
    editor = ProtectedResource(OriginMap(route_spec()), b"127.0.0.1:8701")
    passed = b"".join(editor.feed(bytes([byte])) for byte in document)
    return passed + editor.end()


def test_the_resource_is_mapped_and_the_upstreams_own_is_told() -> None:
    document = {
        "resource": "https://agent.example/mcp",
        "authorization_servers": ["https://agent.example", "https://login.example"],
        "x": "grüß",
    }
    assert json.loads(edited(json.dumps(document).encode())) == document | {
        "resource": "http://127.0.0.1:8701/mcp",
        "_original_resource": "https://agent.example/mcp",
    }


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"resource": 1}',
        b'{"other": "https://agent.example"}',
        b'{"resource": "https://other.example/mcp"}',
        b'{"resource": "https://agent.example.evil/"}',
        '{"resource": "https://agent.example/ü"}'.encode(),
        b"\xff",
        b'{"resource": "https://agent.example/mcp", "x": 1e999}',
        b'{"resource": "https://agent.example/mcp", "x": NaN}',
        b"[" * 20_000,
    ],
)
def test_all_else_is_passed_on_as_it_is(document: bytes) -> None:
    assert edited(document) == document


def test_what_is_too_long_is_not_kept() -> None:
    editor = ProtectedResource(OriginMap(route_spec()), b"127.0.0.1:8701")
    assert editor.feed(b"x" * MOST_BYTES) == b""
    assert editor.feed(b"y") == b"x" * MOST_BYTES + b"y"
    assert editor.done
    assert editor.feed(b"z") == b"z"
    assert editor.end() == b""


WELL_KNOWN = b"/.well-known/oauth-protected-resource"
HERE = b"http://127.0.0.1:8701"


def told(url: bytes) -> bytes:
    return announced(url, b"127.0.0.1:8701", OriginMap(route_spec()))


def test_metadata_at_their_own_place_are_named_there() -> None:
    assert told(b"https://agent.example" + WELL_KNOWN + b"/mcp") == HERE + WELL_KNOWN + b"/mcp"
    assert meant(WELL_KNOWN + b"/mcp") == WELL_KNOWN + b"/mcp"
    assert leads_to_metadata(WELL_KNOWN + b"/mcp")
    other = b"https://login.example/metadata"
    assert told(other) == other


@pytest.mark.parametrize("target", [b"/custom/metadata.json", b"/a?b=c&d=%2Fe+f%25", b"/", b"/?x"])
def test_metadata_elsewhere_are_known_again(target: bytes) -> None:
    url = told(b"https://agent.example" + target + b"#there")
    assert url.startswith(HERE + WELL_KNOWN + b"?devwiz-gw-at=/")
    asked = url.removeprefix(HERE)
    assert leads_to_metadata(asked)
    found = meant(asked)
    assert (found, type(found)) == (target, MetadataTarget)
    assert leads_to_metadata(found)
    assert not leads_to_metadata(target)


def test_a_bare_origin_has_its_metadata_at_the_root() -> None:
    assert told(b"https://agent.example").endswith(b"?devwiz-gw-at=/")
    assert told(b"https://agent.example?x=1").endswith(b"?devwiz-gw-at=/%3Fx%3D1")


@pytest.mark.parametrize(
    "place",
    [b"", b"mcp", b"/a%20HTTP/1.1%0D%0AHost:%20x", b"/%00", b"/%2500", b"//%FF", b"*", b"/%23x"],
)
def test_what_is_no_target_is_asked_for_as_it_came(place: bytes) -> None:
    target = WELL_KNOWN + b"?devwiz-gw-at=" + place
    assert meant(target) == target
