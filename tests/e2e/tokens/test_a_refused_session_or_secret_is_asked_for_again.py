"""What an upstream takes no more, from a session or the store, is asked for again, once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.refusing_upstream import refusal
from tests.fakes.scripted_upstream import Conversation, ScriptedUpstream, response
from tests.fakes.signed_in import sign_in, until_code
from tests.fakes.supabase_auth import SupabaseAuth

_SECRET = """
[routes.headers]
Authorization = "Bearer {secret:planner}"
[secrets]
store = "folder"
folder = "kept"
"""


class Revoking:
    """Answers whoever shows a token that was not taken back; `seen` are all that were shown."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.seen: list[str] = []

    def __call__(self, conversation: Conversation) -> None:
        with suppress(TimeoutError):  # an idle connection is closed
            while (received := conversation.read_request()) is not None:
                self.seen.append(received.fields["authorization"])
                is_good = self.seen[-1] not in self.revoked
                conversation.send(response(received.body) if is_good else refusal())

    def revoke(self) -> None:
        """Take back what was shown last; what is shown from now on counts."""
        self.revoked.add(self.seen[-1])
        self.seen.clear()


def test_a_session_is_refreshed_once(
    gateway: GatewayProcess, upstream: ScriptedUpstream, server: SupabaseAuth
) -> None:
    revoking = upstream.script = Revoking()
    sign_in(gateway)
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    revoking.revoke()
    assert gateway.request("POST", body=b"pay") == (200, b"pay")
    refused, welcomed = revoking.seen
    assert refused in revoking.revoked
    assert welcomed not in revoking.revoked
    assert len(server.active_refresh_tokens) == 1, "the session goes on"
    gateway.until(lambda _: _refusals(gateway) == [("planner", "ok")])


def _served_with_a_secret(gateway: GatewayProcess) -> Path:
    """Start with a route whose secret's file is what is returned."""
    kept = gateway.folder / "kept"
    kept.mkdir(mode=0o700)
    (kept / "planner").touch(0o600)
    (kept / "planner").write_text("first-value")
    gateway.configure(more=_SECRET)
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    return kept / "planner"


def test_a_secret_that_was_set_again_is_looked_up(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    revoking = upstream.script = Revoking()
    kept = _served_with_a_secret(gateway)
    revoking.revoke()
    kept.write_text("second-value")
    assert gateway.request("POST", body=b"pay") == (200, b"pay")
    assert revoking.seen == ["Bearer first-value", "Bearer second-value"]
    gateway.until(lambda _: _refusals(gateway) == [("planner", "ok")])


def test_a_secret_that_is_the_same_is_not_sent_again(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    revoking = upstream.script = Revoking()
    _served_with_a_secret(gateway)
    revoking.revoke()
    assert gateway.request("POST", body=b"pay") == (401, b"who are you")
    assert revoking.seen == ["Bearer first-value"]


def _refusals(gateway: GatewayProcess) -> list[tuple[str, str]]:
    return [
        (line["name"], line["outcome"])
        for line in gateway.audit()
        if line["action"] == "route.refused"
    ]
