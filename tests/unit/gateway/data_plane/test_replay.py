"""Which requests may be sent twice."""

from __future__ import annotations

import pytest

from gateway.data_plane.replay import may_replay


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
def test_idempotent_methods_may(method: bytes) -> None:
    assert may_replay(method, b"")


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get", b"LOCK", b"QUERY", b"-"])
def test_other_methods_may_not(method: bytes) -> None:
    assert not may_replay(method, b"")


@pytest.mark.parametrize(
    "mcp_method",
    [b"initialize", b"ping", b"tools/list", b"resources/list", b"resources/read", b"prompts/get"],
)
def test_an_mcp_request_that_reads_may(mcp_method: bytes) -> None:
    assert may_replay(b"POST", mcp_method)
    assert not may_replay(b"PATCH", mcp_method)


@pytest.mark.parametrize(
    "mcp_method",
    [
        b"tools/call",
        b"TOOLS/LIST",
        b"tools/list ",
        b"tools/list,tools/call",
        b"sampling/createMessage",
        b"tasks/cancel",
        b"completion/complete",
        b"notifications/initialized",
    ],
)
def test_an_mcp_request_that_acts_or_is_unknown_may_not(mcp_method: bytes) -> None:
    assert not may_replay(b"POST", mcp_method)
