"""Started before its issuer, the gateway answers 503 with the reason, and is ready soon after."""

from __future__ import annotations

import json
from http.client import HTTPConnection

from tests.e2e.conftest import StartStack


def test_it_waits_and_says_for_what(start_stack: StartStack) -> None:
    stack = start_stack(issuer_runs=False)
    gateway = stack.gateway
    gateway.start()
    body = gateway.until(lambda body: bool(body["identity"]["last_error"]))
    assert body["state"] == "starting"
    assert gateway.command("wait", "--timeout", "2").returncode == 1

    def is_refused_with_the_reason() -> bool:
        connection = HTTPConnection(gateway.address(), timeout=15)
        connection.request("GET", "/echo")
        reply = connection.getresponse()
        assert reply.status == 503
        assert int(reply.getheader("Retry-After") or "0") > 0
        detail = json.loads(reply.read())["detail"]
        connection.close()
        return "can't be reached" in detail and stack.issuer.url in detail

    gateway.until(lambda _: is_refused_with_the_reason())
    stack.issuer.start()
    assert gateway.command("wait", "--timeout", "14").returncode == 0
    assert gateway.request("POST", "/echo", body=b"x")[0] == 200
