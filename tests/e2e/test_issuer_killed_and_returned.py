"""Without its issuer the gateway serves until the certificate ends, says why, and comes back."""

from __future__ import annotations

import json
from http.client import HTTPConnection

from tests.e2e.conftest import StartStack
from tests.fakes.gateway_process import AnyGateway
from tests.fakes.scripted_upstream import wait_until


def ask(gateway: AnyGateway) -> tuple[int, str | None, bytes]:
    connection = HTTPConnection(gateway.address(), timeout=15)
    connection.request("GET", "/echo")
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, reply.getheader("Retry-After"), body


def test_it_serves_until_expiry_and_recovers(start_stack: StartStack) -> None:
    stack = start_stack(life_s=10)
    gateway = stack.gateway
    gateway.start()
    gateway.until_ready()
    assert gateway.command("status").returncode == 0
    stack.issuer.kill()
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert body["identity"]["state"] in {"renewing", "degraded"}
    assert ask(gateway)[0] == 200, "the certificate is still good"
    shown = gateway.command("status")
    assert shown.returncode == 1
    assert stack.issuer.url in shown.stdout, shown.stdout
    gateway.until(lambda body: body["identity"]["state"] == "expired")
    code, retry_after, answer = ask(gateway)
    assert code == 503
    assert int(retry_after or "0") > 0
    problem = json.loads(answer)
    assert (problem["stage"], problem["route"]) == ("identity", "planner")
    assert "expired" in problem["detail"]
    assert gateway.command("healthcheck").returncode == 1
    pid = gateway.pid
    stack.issuer.start()
    wait_until(lambda: ask(gateway)[0] == 200, deadline_s=10)
    after = gateway.until_ready()
    assert after["pid"] == pid
    assert after["identity"]["last_error"] is None
    assert len(stack.agent.serials) == 2
