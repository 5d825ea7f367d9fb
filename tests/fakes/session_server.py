"""A remote MCP server of the stateful kind: it knows the sessions that it began, and no other."""

from __future__ import annotations

from tests.fakes.scripted_upstream import Conversation, Received, response


class SessionServer:
    """Begins a session with each request that names none, and answers with its own name.

    Attributes:
        script: for a `ScriptedUpstream`.
        broken: whether it answers 503 to everything.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions: set[str] = set()
        self.broken = False

    def script(self, conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            conversation.send(self._answer(received))

    def _answer(self, received: Received) -> bytes:
        session = received.fields.get("mcp-session-id")
        if self.broken:
            return response(status="503 Service Unavailable")
        if session is None:
            session = f"{self.name}-{len(self.sessions)}"
            self.sessions.add(session)
            return response(self.name.encode(), f"Mcp-Session-Id: {session}")
        if session not in self.sessions:
            return response(b"no such session", status="404 Not Found")
        if received.method == "DELETE":
            self.sessions.discard(session)
        return response(self.name.encode())
