"""An address that fails is left out, and `status`, metrics and the log say so."""

from __future__ import annotations

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.stack import free_port


def test_it_is_named(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    closed = f"127.0.0.1:{free_port()}"
    gateway.configure(more=f'addresses = ["{closed}", "127.0.0.1:{upstream.port}"]\n')
    gateway.start()
    gateway.until_ready()
    for _ in range(4):
        assert gateway.request("POST", "/", body=b"x") == (200, b"x")
    body = gateway.status()
    assert body["state"] == "ready", "it serves"
    assert body["routes"][0]["ejected"] == [closed]
    assert f"left out after failures: {closed}" in gateway.command("status").stdout
    _, metrics = gateway.ask("GET", "/metrics")
    labels = f'{{route="planner",address="{closed}"}}'
    assert f"devwiz_gw_upstream_ejected{labels} 1" in metrics
    assert 'ejections_total{route="planner",reason="unreachable"} 1' in metrics
    (line,) = [line for line in gateway.log() if "left out" in line.get("message", "")]
    assert line["level"] == "warning"
    assert closed in line["message"]
