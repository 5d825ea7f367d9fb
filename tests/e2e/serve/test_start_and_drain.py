"""The gateway says where it listens, serves, and ends with 0 when it is asked to."""

from __future__ import annotations

import signal

import pytest

from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_and_drain(
    gateway: GatewayProcess, upstream: ScriptedUpstream, number: signal.Signals
) -> None:
    gateway.start()
    body = gateway.until_ready()
    assert body["identity"]["spiffe_id"] == SPIFFE_ID
    assert gateway.request("POST", body=b"hello") == (200, b"hello")
    route = gateway.status()["routes"][0]
    assert (route["tls_version"], route["peer"]) == ("TLSv1.3", "dns:localhost")
    gateway.signal(number)
    code, out, err = gateway.wait()
    assert code == 0
    listener = body["routes"][0]["listeners"][0]
    assert out == (
        f"planner: http://{listener} → https://localhost:{upstream.port}\n"
        "draining: what is open has 5 s to finish; a second Ctrl-C or SIGTERM cuts it\n"
    )
    assert err == ""
    assert not (gateway.folder / "admin.sock").exists()
    requests = [line for line in gateway.log() if line.get("event") == "request"]
    assert [line["status"] for line in requests] == [200]
    actions = [line["action"] for line in gateway.audit()]
    assert actions == ["gateway.start", "identity.renewed", "gateway.stop"]


def test_the_drain_command_ends_it_too(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    assert gateway.ask("POST", "/drain") == (200, {"ok": True})
    assert gateway.wait()[0] == 0
