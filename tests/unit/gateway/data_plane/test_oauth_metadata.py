"""Protected resource metadata of an upstream, for clients of the local origin."""

from __future__ import annotations

import json

import pytest

from gateway.data_plane.oauth_metadata import MOST_BYTES, ProtectedResource
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
