"""Keeps the requests of one session at one address, by a header that both sides send."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.ipc import events
from gateway.ipc.sessions import Address, Sessions

if TYPE_CHECKING:
    from gateway.data_plane.wire.request import RequestHead
    from gateway.data_plane.wire.response import ResponseHead


class Affinity:
    """The sessions of one route.

    An upstream names a session in the header of a response, and the client in each request from
    then on (MCP: `Mcp-Session-Id`). `tell` reports to the supervisor what others should know.
    """

    __slots__ = ("_prefix", "_salt", "_sessions", "_tell")

    def __init__(self, sessions: Sessions, tell: Callable[..., None], route: str) -> None:
        self._sessions = sessions
        self._tell = tell
        self._salt = route.encode() + b"\0"
        self._prefix = b""

    def use(self, header: str) -> None:
        """The header that names sessions, "" for none."""
        self._prefix = header.lower().encode() + b":" if header else b""

    def find(self, request: RequestHead, now: float) -> Address | None:
        """Where the request's session is, if it has one that is known."""
        key = self._key(request.forwarded)
        return self._sessions.find(key, now) if key else None

    def note(
        self, request: RequestHead, response: ResponseHead, address: Address, now: float
    ) -> None:
        """Learn from a response that came from an address.

        An answer that isn't an error binds the session, a new one or one that was not known (after
        a restart of the gateway): it is there. A 404 says that it isn't, which teaches nothing.
        """
        asked = self._key(request.forwarded)
        status = response.status
        if asked and request.method == b"DELETE" and 200 <= status < 300:
            if self._sessions.forget(asked):
                self._tell(events.SESSION, key=asked, host="", port=0)
        elif status < 400:
            key = self._key(response.forwarded) or asked
            if key and self._sessions.bind(key, address, now):
                host, port = address
                self._tell(events.SESSION, key=key, host=host, port=port)

    def _key(self, lines: list[bytes]) -> str:
        prefix = self._prefix
        if not prefix:
            return ""
        size = len(prefix)
        for line in lines:
            if line[:size].lower() == prefix:
                return sha256(self._salt + line[size:].strip()).hexdigest()[:32]
        return ""
