"""A route's header costs no call of the keychain per request: it goes on without the keychain."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo
from tests.fakes.secret_service import gnome_keyring, session_bus

HEADERS = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
"""


def test_the_keychain_may_go(tmp_path: Path) -> None:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        session_bus(tmp_path) as bus,
        ScriptedUpstream(context, answering(echo)) as upstream,
        GatewayProcess(tmp_path, authority, upstream_port=upstream.port) as gateway,
    ):
        gateway.env |= bus.env
        gateway.configure(more=HEADERS)
        with gnome_keyring(bus):
            kept = gateway.command("secret", "set", "planner-token", said="the-value\n")
            assert kept.returncode == 0, kept.stderr
            gateway.start()
            gateway.until_ready()
            assert gateway.request("POST", body=b"x")[0] == 200
        for _ in range(50):
            assert gateway.request("POST", body=b"x")[0] == 200
        sent = {request.fields["authorization"] for request in upstream.requests}
        assert sent == {"Bearer the-value"}
        uses = [line for line in gateway.audit() if line["action"] == "secret.use"]
        assert len(uses) == 1
