"""Which requests may be sent a second time."""

from __future__ import annotations

from typing import Final

# RFC 9110 section 9.2.2; PUT and DELETE may be repeated by definition.
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
# MCP requests that only read; `tools/call` is never repeated, whatever it calls.
_READING_MCP: Final = frozenset(
    (
        b"initialize",
        b"ping",
        b"server/discover",
        b"tools/list",
        b"resources/list",
        b"resources/templates/list",
        b"resources/read",
        b"prompts/list",
        b"prompts/get",
    )
)


def may_replay(method: bytes, mcp_method: bytes) -> bool:
    """Whether repeating an unanswered request does no harm even if the first was processed.

    `mcp_method` is the Mcp-Method header, by which MCP says what a POST does.
    """
    return method in _IDEMPOTENT or (method == b"POST" and mcp_method in _READING_MCP)
