"""`gateway.bridge.session`: what of a server's words is sent back to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bridge.messages import Message, parsed
from gateway.bridge.session import Session


def said(**value: Any) -> Message:
    return parsed(json.dumps({"jsonrpc": "2.0", "id": 1, **value}).encode())


@pytest.mark.parametrize(
    ("version", "sent"),
    [
        ("2025-11-25", {"MCP-Protocol-Version": "2025-11-25"}),
        ("2025-11-25\r\nAuthorization: x", {}),
        ("2025-11-25\n", {}),
        ("\ud800", {}),
        ("x" * 33, {}),
        ("", {}),
        (None, {}),
        ([], {}),
    ],
)
def test_only_a_version_is_repeated(version: object, sent: dict[str, str]) -> None:
    session = Session()
    session.note_response(said(method="initialize"), said(result={"protocolVersion": version}))
    assert session.headers_for(None) == sent
