"""What a legacy session is known by, and the HTTP headers of both eras. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.bridge.messages import Message, modern_headers
from gateway.bridge.mirrored import Mirrored
from gateway.config.model import MCP_SESSION

# What a server calls its revision is sent back in a header.
_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")


@dataclass(slots=True)
class Session:
    """Of one client.

    Attributes:
        handshake: the client's `initialize`, to begin another session with when the server has
            forgotten this one.
        is_modern: whether the client has spoken as from 2026-07-28, and has begun no session since.
    """

    id: str = ""
    version: str = ""
    handshake: Message | None = None
    is_modern: bool = False
    mirrored: Mirrored = field(default_factory=Mirrored)

    def begin(self, handshake: Message) -> None:
        """Forget what there was."""
        self.id = self.version = ""
        self.handshake, self.is_modern = handshake, False

    def note_request(self, message: Message) -> None:
        """See of which era the client is."""
        if message.method == "initialize":
            self.begin(message)
        elif message.modern_version and self.handshake is None:
            self.is_modern = True

    def note_reply(self, headers: Mapping[str, str]) -> None:
        """Take the session's name from the reply to the handshake."""
        self.id = headers.get(MCP_SESSION, "")

    def note_response(self, request: Message, response: Message) -> dict[str, str]:
        """Take the revision, or the tools. The names of those that the client must not be told of,
        and why.
        """
        result = response.value.get("result")
        if request.method == "tools/list":
            invalid = self.mirrored.learn(response)
            return invalid if request.modern_version else {}
        if request.method == "initialize" and isinstance(result, dict):
            version = result.get("protocolVersion")
            found = _VERSION.fullmatch(version) if isinstance(version, str) else None
            self.version = found[0] if found else ""
        return {}

    def headers_for(self, message: Message | None) -> dict[str, str]:
        """What a message is sent with, or without one a GET or DELETE."""
        if message is not None and message.modern_version:
            return modern_headers(message, self.mirrored.of(message))
        headers = {MCP_SESSION: self.id} if self.id else {}
        if self.version and (message is None or message.method != "initialize"):
            headers["MCP-Protocol-Version"] = self.version
        return headers
